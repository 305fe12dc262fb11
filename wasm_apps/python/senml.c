// SenML packs in CBOR (RFC 8428, section 6), written in one go.
#include "senml.h"

#include <math.h>
#include <string.h>

#include "py/objint.h"
#include "py/runtime.h"

enum { UNSIGNED = 0, NEGATIVE = 1, BYTES = 2, TEXT = 3, ARRAY = 4, MAP = 5 };

static const struct {
    qstr_short_t name;
    int8_t label;
} labels[] = {
    { MP_QSTR_n, 0 }, { MP_QSTR_u, 1 }, { MP_QSTR_v, 2 }, { MP_QSTR_vs, 3 }, { MP_QSTR_vb, 4 },
    { MP_QSTR_s, 5 }, { MP_QSTR_t, 6 }, { MP_QSTR_ut, 7 }, { MP_QSTR_vd, 8 },
    { MP_QSTR_bver, -1 }, { MP_QSTR_bn, -2 }, { MP_QSTR_bt, -3 }, { MP_QSTR_bu, -4 },
    { MP_QSTR_bv, -5 }, { MP_QSTR_bs, -6 },
};
enum { NAME = 0, UNIT = 1, VALUE = 2, STRING = 3, BOOLEAN = 4, DATA = 8 };

static void put_bits(vstr_t *out, uint8_t first, uint64_t bits, int bytes) {
    uint8_t *at = (uint8_t *)vstr_add_len(out, 1 + bytes);
    *at++ = first;
    while (bytes-- > 0) {
        *at++ = bits >> 8 * bytes;
    }
}

static void put_head(vstr_t *out, int major, uint64_t number) {
    uint8_t first = major << 5;
    if (number < 24) {
        put_bits(out, first | number, 0, 0);
    } else if (number <= UINT8_MAX) {
        put_bits(out, first | 24, number, 1);
    } else if (number <= UINT16_MAX) {
        put_bits(out, first | 25, number, 2);
    } else if (number <= UINT32_MAX) {
        put_bits(out, first | 26, number, 4);
    } else {
        put_bits(out, first | 27, number, 8);
    }
}

static void put_label(vstr_t *out, int label) {
    put_head(out, label < 0 ? NEGATIVE : UNSIGNED, label < 0 ? -1 - label : label);
}

static void put_float(vstr_t *out, double number) {
    float rounded = number;
    if (rounded == number) {
        uint32_t bits;
        memcpy(&bits, &rounded, sizeof bits);
        put_bits(out, 0xfa, bits, sizeof bits);
    } else {
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        put_bits(out, 0xfb, bits, sizeof bits);
    }
}

static int64_t number_of(mp_obj_t value) {
    if (mp_obj_is_small_int(value)) {
        return MP_OBJ_SMALL_INT_VALUE(value);
    }
    // What is larger neither CBOR nor a database carries.
    if (fabs(mp_obj_get_float(value)) >= 9.2e18) {
        mp_raise_ValueError(MP_ERROR_TEXT("a reading is at most 9.2e18"));
    }
    int64_t number;
    mp_obj_int_to_bytes_impl(value, false, sizeof number, (byte *)&number);
    return number;
}

static void put_value(vstr_t *out, mp_obj_t value) {
    mp_buffer_info_t bytes;
    if (mp_obj_is_bool(value)) {
        put_bits(out, value == mp_const_true ? 0xf5 : 0xf4, 0, 0);
    } else if (mp_obj_is_int(value)) {
        int64_t number = number_of(value);
        put_head(out, number < 0 ? NEGATIVE : UNSIGNED, number < 0 ? -1 - number : number);
    } else if (mp_obj_is_float(value)) {
        put_float(out, mp_obj_get_float(value));
    } else if (mp_obj_is_str(value)) {
        mp_get_buffer_raise(value, &bytes, MP_BUFFER_READ);
        put_head(out, TEXT, bytes.len);
        vstr_add_strn(out, bytes.buf, bytes.len);
    } else {
        mp_get_buffer_raise(value, &bytes, MP_BUFFER_READ);
        put_head(out, BYTES, bytes.len);
        vstr_add_strn(out, bytes.buf, bytes.len);
    }
}

static int label_of(mp_obj_t value) {
    if (mp_obj_is_bool(value)) {
        return BOOLEAN;
    }
    if (mp_obj_is_int(value) || mp_obj_is_float(value)) {
        return VALUE;
    }
    return mp_obj_is_str(value) ? STRING : DATA;
}

static void put_reading(vstr_t *out, mp_obj_t name, mp_obj_t value, mp_obj_t unit) {
    put_head(out, MAP, 1 + (name != mp_const_none) + (unit != mp_const_none));
    if (name != mp_const_none) {
        put_label(out, NAME);
        put_value(out, name);
    }
    if (unit != mp_const_none) {
        put_label(out, UNIT);
        put_value(out, unit);
    }
    put_label(out, label_of(value));
    put_value(out, value);
}

static void put_record(vstr_t *out, mp_obj_t record) {
    if (!mp_obj_is_dict_or_ordereddict(record)) {
        mp_raise_TypeError(MP_ERROR_TEXT("a record is a dict with SenML's names: {\"n\": …, \"v\": …}"));
    }
    mp_map_t *fields = mp_obj_dict_get_map(record);
    put_head(out, MAP, fields->used);
    for (size_t at = 0; at < fields->alloc; at++) {
        if (!mp_map_slot_is_filled(fields, at)) {
            continue;
        }
        qstr name = mp_obj_str_get_qstr(fields->table[at].key);
        size_t known = 0;
        while (known < MP_ARRAY_SIZE(labels) && labels[known].name != name) {
            known++;
        }
        if (known == MP_ARRAY_SIZE(labels)) {
            mp_raise_msg_varg(
                &mp_type_ValueError, MP_ERROR_TEXT("a record has no field '%q'"), name);
        }
        put_label(out, labels[known].label);
        put_value(out, fields->table[at].value);
    }
}

void senml_pack(vstr_t *out, mp_obj_t what, mp_obj_t unit) {
    if (mp_obj_is_type(what, &mp_type_list) || mp_obj_is_type(what, &mp_type_tuple)) {
        size_t count;
        mp_obj_t *records;
        mp_obj_get_array(what, &count, &records);
        put_head(out, ARRAY, count);
        for (size_t at = 0; at < count; at++) {
            put_record(out, records[at]);
        }
    } else if (mp_obj_is_dict_or_ordereddict(what)) {
        mp_map_t *readings = mp_obj_dict_get_map(what);
        put_head(out, ARRAY, readings->used);
        for (size_t at = 0; at < readings->alloc; at++) {
            if (mp_map_slot_is_filled(readings, at)) {
                put_reading(out, readings->table[at].key, readings->table[at].value, unit);
            }
        }
    } else {
        put_head(out, ARRAY, 1);
        put_reading(out, mp_const_none, what, unit);
    }
}
