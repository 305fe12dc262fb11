// The module `_skerry`: host calls that are no hardware. `frozen/skerry.py` gives them their shape.
#include <string.h>

#include "grant.h"
#include "senml.h"
#include "source.h"

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"

// First guess at the size of a value, and the largest that any of the host's can have.
#define VALUE_BYTES (128)
#define VALUE_BYTES_MOST (256 * 1024)

typedef int32_t (*host_get_t)(KEY, INTO);

// WASI's OVERFLOW: nothing was consumed.
#define OVERFLOWS (-61)

static mp_obj_t get(host_get_t from, mp_obj_t key) {
    size_t key_length;
    const char *name = mp_obj_str_get_data(key, &key_length);
    vstr_t value;
    for (size_t capacity = VALUE_BYTES; ; capacity *= 8) {
        vstr_init_len(&value, capacity);
        int32_t length = from(name, key_length, value.buf, capacity);
        if (length != OVERFLOWS || capacity > VALUE_BYTES_MOST) {
            value.len = host_check(length);
            return mp_obj_new_bytes_from_vstr(&value);
        }
        vstr_clear(&value);
    }
}

#define GETTER(name, from) \
    static mp_obj_t name(mp_obj_t key) { \
        return get(from, key); \
    } \
    static MP_DEFINE_CONST_FUN_OBJ_1(name##_obj, name)
GETTER(kv_get, host_kv_get);
GETTER(kv_keys, host_kv_keys);
GETTER(secret_get, host_secret_get);
GETTER(twin_get, host_twin_get);

typedef int32_t (*host_put_t)(KEY, FROM);

static mp_obj_t put(host_put_t to, mp_obj_t key, mp_obj_t value) {
    size_t key_length;
    const char *name = mp_obj_str_get_data(key, &key_length);
    mp_buffer_info_t bytes;
    mp_get_buffer_raise(value, &bytes, MP_BUFFER_READ);
    host_check(to(name, key_length, bytes.buf, bytes.len));
    return mp_const_none;
}

static mp_obj_t kv_set(mp_obj_t key, mp_obj_t value) {
    return put(host_kv_set, key, value);
}
static MP_DEFINE_CONST_FUN_OBJ_2(kv_set_obj, kv_set);

static mp_obj_t twin_report(mp_obj_t name, mp_obj_t json) {
    return put(host_twin_report, name, json);
}
static MP_DEFINE_CONST_FUN_OBJ_2(twin_report_obj, twin_report);

static mp_obj_t kv_delete(mp_obj_t key) {
    size_t length;
    const char *name = mp_obj_str_get_data(key, &length);
    host_check(host_kv_delete(name, length));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(kv_delete_obj, kv_delete);

// log(level, text). Over the log rate the host counts the line and no program has to care.
static mp_obj_t log_write(mp_obj_t level, mp_obj_t text) {
    size_t length;
    const char *line = mp_obj_str_get_data(text, &length);
    port_flush();
    int32_t result = host_log_write(mp_obj_get_int(level), line, length);
    if (result < 0 && port_errno(-result) != MP_EAGAIN) {
        host_check(result);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(log_write_obj, log_write);

// publish(stream, what, unit=None): how many records went out.
static mp_obj_t publish(size_t n_args, const mp_obj_t *args) {
    size_t length;
    const char *stream = mp_obj_str_get_data(args[0], &length);
    int32_t handle = host_telemetry_open(stream, length);
    if (handle < 0) {
        mp_raise_OSError_with_filename(port_errno(-handle), stream);
    }
    vstr_t pack;
    vstr_init(&pack, 64);
    senml_pack(&pack, args[1], n_args > 2 ? args[2] : mp_const_none);
    int32_t records = host_telemetry_publish(handle, pack.buf, pack.len);
    vstr_clear(&pack);
    return MP_OBJ_NEW_SMALL_INT(host_check(records));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(publish_obj, 2, 3, publish);

static mp_obj_t flush(mp_obj_t timeout_ms) {
    host_check(host_telemetry_flush(mp_obj_get_int(timeout_ms)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(flush_obj, flush);

MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(port_wait_told_obj);

static const mp_rom_map_elem_t globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__skerry) },
    { MP_ROM_QSTR(MP_QSTR_wait), MP_ROM_PTR(&port_wait_told_obj) },
    { MP_ROM_QSTR(MP_QSTR_stop), MP_ROM_PTR(&sources[SOURCE_STOP]) },
    { MP_ROM_QSTR(MP_QSTR_twin), MP_ROM_PTR(&sources[SOURCE_TWIN]) },
    { MP_ROM_QSTR(MP_QSTR_kv_get), MP_ROM_PTR(&kv_get_obj) },
    { MP_ROM_QSTR(MP_QSTR_kv_set), MP_ROM_PTR(&kv_set_obj) },
    { MP_ROM_QSTR(MP_QSTR_kv_delete), MP_ROM_PTR(&kv_delete_obj) },
    { MP_ROM_QSTR(MP_QSTR_kv_keys), MP_ROM_PTR(&kv_keys_obj) },
    { MP_ROM_QSTR(MP_QSTR_secret), MP_ROM_PTR(&secret_get_obj) },
    { MP_ROM_QSTR(MP_QSTR_publish), MP_ROM_PTR(&publish_obj) },
    { MP_ROM_QSTR(MP_QSTR_flush), MP_ROM_PTR(&flush_obj) },
    { MP_ROM_QSTR(MP_QSTR_twin_get), MP_ROM_PTR(&twin_get_obj) },
    { MP_ROM_QSTR(MP_QSTR_twin_report), MP_ROM_PTR(&twin_report_obj) },
    { MP_ROM_QSTR(MP_QSTR_log), MP_ROM_PTR(&log_write_obj) },
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t skerry_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR__skerry, skerry_module);
