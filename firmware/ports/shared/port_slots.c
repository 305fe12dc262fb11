// The module `slots` of every port with a bootloader: what the running firmware may do to the slots
// and the bootloader's state.
#include "../../boot/boot.h"

#include "../../boot/nor.h"
#include "map.h"
#include "py/mperrno.h"
#include "py/runtime.h"

static void check(slots_fault_t fault) {
    static const uint8_t numbers[] = { 0, MP_EINVAL, MP_EBUSY, MP_EIO, MP_ENOENT };
    if (fault != SLOTS_DONE) {
        mp_raise_OSError(numbers[fault]);
    }
}

static unsigned number_of(mp_obj_t slot) {
    mp_int_t number = mp_obj_get_int(slot);
    if (number < 0 || number > 1) {
        mp_raise_OSError(MP_EINVAL);
    }
    return (unsigned)number;
}

static mp_obj_t text_of(const version_t *version) {
    vstr_t text;
    vstr_init(&text, 24);
    vstr_printf(&text, "%u.%u.%u", version->major, version->minor, version->revision);
    if (version->build != 0) {
        vstr_printf(&text, "+%u", (unsigned)version->build);
    }
    return mp_obj_new_str_from_vstr(&text);
}

// (confirmed, pending or -1, running, on trial, why, rollbacks, version and digest rolled back)
static mp_obj_t slots_state(void) {
    boot_state_t state;
    state_load(&state);
    mp_obj_t items[] = {
        MP_OBJ_NEW_SMALL_INT(state.active),
        MP_OBJ_NEW_SMALL_INT(state.pending == BOOT_NOBODY ? -1 : state.pending),
        MP_OBJ_NEW_SMALL_INT(boot_started()),
        mp_obj_new_bool(slots_on_trial(&state)),
        MP_OBJ_NEW_SMALL_INT(state.why),
        MP_OBJ_NEW_SMALL_INT(state.rollbacks),
        text_of(&state.back_version),
        mp_obj_new_bytes(state.back_digest, SHA256_BYTES),
    };
    return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_0(slots_state_obj, slots_state);

// (fault, version, digest) of the image in a slot
static mp_obj_t slots_image_of(mp_obj_t slot) {
    image_t image;
    image_fault_t fault = slots_told(number_of(slot), &image);
    mp_obj_t items[] = {
        MP_OBJ_NEW_SMALL_INT(fault),
        text_of(&image.version),
        mp_obj_new_bytes(image.digest, SHA256_BYTES),
    };
    return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(slots_image_obj, slots_image_of);

static mp_obj_t slots_read(mp_obj_t slot, mp_obj_t offset, mp_obj_t length) {
    mp_int_t at = mp_obj_get_int(offset), bytes = mp_obj_get_int(length);
    if (at < 0 || bytes < 0 || at > (mp_int_t)MAP_SLOT_BYTES
        || bytes > (mp_int_t)MAP_SLOT_BYTES - at) {
        mp_raise_OSError(MP_EINVAL);
    }
    return mp_obj_new_bytes(nor_read(MAP_SLOT(number_of(slot)) + (uint32_t)at), (size_t)bytes);
}
static MP_DEFINE_CONST_FUN_OBJ_3(slots_read_obj, slots_read);

static mp_obj_t slots_erase_at(mp_obj_t slot, mp_obj_t offset) {
    check(slots_erase(number_of(slot), (uint32_t)mp_obj_get_int(offset)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(slots_erase_obj, slots_erase_at);

static mp_obj_t slots_program_at(mp_obj_t slot, mp_obj_t offset, mp_obj_t data) {
    mp_buffer_info_t from;
    mp_get_buffer_raise(data, &from, MP_BUFFER_READ);
    check(slots_program(
        number_of(slot), (uint32_t)mp_obj_get_int(offset), from.buf, (uint32_t)from.len));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(slots_program_obj, slots_program_at);

static mp_obj_t slots_mark_one(mp_obj_t slot) {
    check(slots_mark(number_of(slot)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(slots_mark_obj, slots_mark_one);

static mp_obj_t slots_confirm_it(void) {
    check(slots_confirm());
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(slots_confirm_obj, slots_confirm_it);

static mp_obj_t slots_give_up_it(mp_obj_t why) {
    check(slots_give_up((uint8_t)mp_obj_get_int(why)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(slots_give_up_obj, slots_give_up_it);

static const mp_rom_map_elem_t slots_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_slots) },
    { MP_ROM_QSTR(MP_QSTR_BYTES), MP_ROM_INT(MAP_IMAGE_BYTES) },
    { MP_ROM_QSTR(MP_QSTR_SECTOR), MP_ROM_INT(NOR_SECTOR) },
    { MP_ROM_QSTR(MP_QSTR_state), MP_ROM_PTR(&slots_state_obj) },
    { MP_ROM_QSTR(MP_QSTR_image), MP_ROM_PTR(&slots_image_obj) },
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&slots_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_erase), MP_ROM_PTR(&slots_erase_obj) },
    { MP_ROM_QSTR(MP_QSTR_program), MP_ROM_PTR(&slots_program_obj) },
    { MP_ROM_QSTR(MP_QSTR_mark), MP_ROM_PTR(&slots_mark_obj) },
    { MP_ROM_QSTR(MP_QSTR_confirm), MP_ROM_PTR(&slots_confirm_obj) },
    { MP_ROM_QSTR(MP_QSTR_give_up), MP_ROM_PTR(&slots_give_up_obj) },
};
static MP_DEFINE_CONST_DICT(slots_globals, slots_globals_table);

const mp_obj_module_t slots_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&slots_globals,
};
MP_REGISTER_MODULE(MP_QSTR_slots, slots_module);
