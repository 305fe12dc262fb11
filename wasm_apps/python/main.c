// An app's life: /app/main.py, or main.mpy, until it ends.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "extmod/vfs.h"
#include "extmod/vfs_posix.h"
#include "py/builtin.h"
#include "py/compile.h"
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/persistentcode.h"
#include "py/runtime.h"

// It grows, up to the limit that the sandbox sets.
#define FIRST_HEAP_BYTES (64 * 1024)

#ifndef MAIN
#define MAIN "/app/main"
#endif
#define HOME "/app"

static int code_of_exit(mp_obj_t exit) {
    mp_obj_t value = mp_obj_exception_get_value(exit);
    mp_int_t code = 0;
    if (value != mp_const_none && !mp_obj_get_int_maybe(value, &code)) {
        mp_obj_print_helper(&port_error_print, value, PRINT_STR);
        mp_print_str(&port_error_print, "\n");
        return 1;
    }
    return code;
}

static mp_obj_t source_function(qstr path) {
    mp_lexer_t *lexer = mp_lexer_new_from_file(path);
    mp_parse_tree_t tree = mp_parse(lexer, MP_PARSE_FILE_INPUT);
    return mp_compile(&tree, path, false);
}

static mp_obj_t bytecode_function(qstr path) {
    mp_module_context_t *context = m_new_obj(mp_module_context_t);
    context->module.globals = mp_globals_get();
    mp_compiled_module_t module = { .context = context };
    mp_raw_code_load_file(path, &module);
    return mp_make_function_from_proto_fun(module.rc, context, NULL);
}

static int run_main(void) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) != 0) {
        mp_obj_t fault = MP_OBJ_FROM_PTR(nlr.ret_val);
        const mp_obj_type_t *type = mp_obj_get_type(fault);
        if (mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(type), MP_OBJ_FROM_PTR(&mp_type_SystemExit))) {
            return code_of_exit(fault);
        }
        mp_obj_print_exception(&port_error_print, fault);
        return 1;
    }
    struct stat found;
    bool bytecode = stat(MAIN ".py", &found) != 0 && stat(MAIN ".mpy", &found) == 0;
    qstr path = qstr_from_str(bytecode ? MAIN ".mpy" : MAIN ".py");
    mp_store_global(MP_QSTR___file__, MP_OBJ_NEW_QSTR(path));
    mp_call_function_0(bytecode ? bytecode_function(path) : source_function(path));
    nlr_pop();
    return 0;
}

static void mount_files(void) {
    mp_obj_t files = MP_OBJ_TYPE_GET_SLOT(&mp_type_vfs_posix, make_new)(&mp_type_vfs_posix, 0, 0, NULL);
    mp_obj_t arguments[] = { files, MP_OBJ_NEW_QSTR(MP_QSTR__slash_) };
    mp_vfs_mount(2, arguments, (mp_map_t *)&mp_const_empty_map);
    MP_STATE_VM(vfs_cur) = MP_STATE_VM(vfs_mount_table);
}

// The first exception takes memory of the sandbox; when a program has used up its own, a
// MemoryError could not be thrown any more.
static void throw_one(void) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        nlr_jump(MP_OBJ_TO_PTR(mp_const_none));
    }
}

// Not inlined: what it keeps on the stack has to lie below what main told the collector.
static MP_NOINLINE int live(int argc, char **argv) {
    char *heap = malloc(FIRST_HEAP_BYTES);
    if (heap == NULL) {
        mp_print_str(&port_error_print, "MemoryError: limits.memory leaves no heap\n");
        return 1;
    }
    gc_init(heap, heap + FIRST_HEAP_BYTES);
    #if COLLECT_ALWAYS
    MP_STATE_MEM(gc_alloc_threshold) = 1;
    #endif
    mp_init();
    throw_one();
    mount_files();
    // Where a program's own files are; without any it stays where it is.
    (void)!chdir(HOME);
    mp_sys_path = mp_obj_new_list(0, NULL);
    mp_obj_list_append(mp_sys_path, MP_OBJ_NEW_QSTR(MP_QSTR__slash_app));
    mp_obj_list_append(mp_sys_path, MP_OBJ_NEW_QSTR(MP_QSTR__dot_frozen));
    mp_obj_list_init(MP_OBJ_TO_PTR(mp_sys_argv), 0);
    for (int at = 0; at < argc; at++) {
        mp_obj_list_append(mp_sys_argv, mp_obj_new_str(argv[at], strlen(argv[at])));
    }
    int code = run_main();
    mp_deinit();
    port_flush();
    return code;
}

int main(int argc, char **argv) {
    char top = 0;
    port_stack_begins(&top);
    mp_cstack_init_with_top(&top, STACK_BYTES);
    return live(argc, argv);
}

void nlr_jump_fail(void *value) {
    (void)value;
    port_flush();
    __builtin_trap();
}
