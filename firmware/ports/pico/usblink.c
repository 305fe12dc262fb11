// usblink.Line: the second serial port of the USB device, as a stream that never waits. The first is
// the console. What is written while no program on the computer has the port open is lost, as on a wire
// that ends nowhere: the link sends again.
#include "py/runtime.h"
#include "py/stream.h"
#include "py/mperrno.h"
#include "mp_usbd.h"

#define LINK (1) // the number of its interface to TinyUSB
#define ITF_LINK (USBD_ITF_CDC + 2)
#define ITF_COUNT (USBD_ITF_CDC + 4)
#define STR_LINK (USBD_STR_CDC + 1)
#define EP_NOTIFY (0x83)
#define EP_OUT (0x04)
#define EP_IN (0x84)
#define PACKET (64)
#define NOTIFY_PACKET (8)

// --- what the computer is told -------------------------------------------------------------------

#define CONFIGURATION_LEN (TUD_CONFIG_DESC_LEN + 2 * TUD_CDC_DESC_LEN)

static const uint8_t configuration[CONFIGURATION_LEN] = {
    TUD_CONFIG_DESCRIPTOR(1, ITF_COUNT, USBD_STR_0, CONFIGURATION_LEN, 0, USBD_MAX_POWER_MA),
    TUD_CDC_DESCRIPTOR(USBD_ITF_CDC, USBD_STR_CDC, USBD_CDC_EP_CMD, NOTIFY_PACKET,
        USBD_CDC_EP_OUT, USBD_CDC_EP_IN, PACKET),
    TUD_CDC_DESCRIPTOR(ITF_LINK, STR_LINK, EP_NOTIFY, NOTIFY_PACKET, EP_OUT, EP_IN, PACKET),
};

const uint8_t *__wrap_tud_descriptor_configuration_cb(uint8_t index) {
    (void)index;
    return configuration;
}

extern const uint16_t *__real_tud_descriptor_string_cb(uint8_t index, uint16_t language);

const uint16_t *__wrap_tud_descriptor_string_cb(uint8_t index, uint16_t language) {
    static const uint16_t name[] = { TUSB_DESC_STRING << 8 | 10, 'l', 'i', 'n', 'k' };
    return index == STR_LINK ? name : __real_tud_descriptor_string_cb(index, language);
}

extern void __real_tud_cdc_rx_cb(uint8_t itf);

void __wrap_tud_cdc_rx_cb(uint8_t itf) {
    if (itf != LINK) { // what comes on the link waits in TinyUSB until it is read
        __real_tud_cdc_rx_cb(itf);
    }
}

// --- the stream ----------------------------------------------------------------------------------

static mp_obj_t line_make_new(const mp_obj_type_t *type, size_t count, size_t count_named, const mp_obj_t *given) {
    mp_arg_check_num(count, count_named, 0, 0, false);
    return mp_obj_malloc(mp_obj_base_t, type);
}

static mp_uint_t line_read(mp_obj_t self, void *into, mp_uint_t size, int *error) {
    mp_usbd_task();
    mp_uint_t got = tud_cdc_n_read(LINK, into, size);
    if (got == 0 && size != 0) {
        *error = MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    return got;
}

static mp_uint_t line_write(mp_obj_t self, const void *from, mp_uint_t size, int *error) {
    if (!tud_cdc_n_connected(LINK)) {
        tud_cdc_n_write_clear(LINK);
        return size;
    }
    mp_uint_t written = tud_cdc_n_write(LINK, from, MIN(size, tud_cdc_n_write_available(LINK)));
    tud_cdc_n_write_flush(LINK);
    if (written == 0 && size != 0) {
        *error = MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    return written;
}

static mp_uint_t line_ioctl(mp_obj_t self, mp_uint_t request, uintptr_t flags, int *error) {
    if (request != MP_STREAM_POLL) {
        *error = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    mp_usbd_task();
    mp_uint_t ready = 0;
    if ((flags & MP_STREAM_POLL_RD) && tud_cdc_n_available(LINK)) {
        ready |= MP_STREAM_POLL_RD;
    }
    if ((flags & MP_STREAM_POLL_WR) && (!tud_cdc_n_connected(LINK) || tud_cdc_n_write_available(LINK))) {
        ready |= MP_STREAM_POLL_WR;
    }
    return ready;
}

static const mp_rom_map_elem_t line_members[] = {
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&mp_stream_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&mp_stream_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj) },
};
static MP_DEFINE_CONST_DICT(line_dict, line_members);

static const mp_stream_p_t line_stream = {
    .read = line_read,
    .write = line_write,
    .ioctl = line_ioctl,
};

static MP_DEFINE_CONST_OBJ_TYPE(
    line_type, MP_QSTR_Line, MP_TYPE_FLAG_NONE,
    make_new, line_make_new, protocol, &line_stream, locals_dict, &line_dict);

static const mp_rom_map_elem_t module_members[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_usblink) },
    { MP_ROM_QSTR(MP_QSTR_Line), MP_ROM_PTR(&line_type) },
};
static MP_DEFINE_CONST_DICT(module_dict, module_members);

const mp_obj_module_t usblink_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&module_dict,
};
MP_REGISTER_MODULE(MP_QSTR_usblink, usblink_module);
