// Where the garbage collector begins: the words on the stack.
//
// WebAssembly keeps locals out of memory. The build stores every pointer that lives across a call
// on the stack in memory (see Makefile); a caller of gc_collect has done so before it calls. LLVM
// may keep nothing but a pointer into the middle of an object, so each word leads to the object
// around it; MicroPython's own collector follows only pointers to an object's beginning.
#include <setjmp.h>
#include <stdlib.h>

#include "py/gc.h"
#include "py/mpstate.h"
#include "port.h"

// Two bits for each block, as py/gc.c has them.
enum { BLOCK_FREE, BLOCK_HEAD, BLOCK_TAIL, BLOCK_MARKED };
#define BLOCKS_IN_BYTE (4)

static const uint8_t *stack_top;

void port_stack_begins(const void *top) {
    stack_top = top;
}

static int kind(const mp_state_mem_area_t *area, size_t block) {
    return area->gc_alloc_table_start[block / BLOCKS_IN_BYTE] >> 2 * (block % BLOCKS_IN_BYTE) & 3;
}

static void follow(uint8_t *word) {
    for (mp_state_mem_area_t *area = &MP_STATE_MEM(area); area != NULL; area = area->next) {
        if (word < area->gc_pool_start || word >= area->gc_pool_end) {
            continue;
        }
        size_t block = (size_t)(word - area->gc_pool_start) / MICROPY_BYTES_PER_GC_BLOCK;
        while (block > 0 && kind(area, block) == BLOCK_TAIL) {
            block--;
        }
        if (kind(area, block) == BLOCK_HEAD) {
            void *object = area->gc_pool_start + block * MICROPY_BYTES_PER_GC_BLOCK;
            gc_collect_root(&object, 1);
        }
        return;
    }
}

static void follow_all(uint8_t **at, uint8_t **end) {
    for (; at < end; at++) {
        follow(*at);
    }
}

MP_NOINLINE void gc_collect(void) {
    gc_collect_start();
    #if __wasm__
    volatile uint8_t here = 0;
    (void)here;
    #else
    jmp_buf here;
    setjmp(here);
    #endif
    uintptr_t lowest = (uintptr_t)&here & ~(sizeof(uint8_t *) - 1);
    follow_all((uint8_t **)lowest, (uint8_t **)stack_top);
    gc_collect_end();
}

// What one more piece of heap may have: only the sandbox knows its limit, and refuses.
size_t gc_get_max_new_split(void) {
    return SIZE_MAX / 2;
}

void *port_more_heap(size_t *bytes, size_t least) {
    for (;;) {
        void *heap = malloc(*bytes);
        if (heap != NULL || *bytes <= least) {
            return heap;
        }
        *bytes = *bytes / 2 > least ? *bytes / 2 : least;
    }
}
