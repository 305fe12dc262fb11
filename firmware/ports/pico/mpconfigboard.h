// What this board is, for MicroPython's port `rp2`.
#include "map.h"

#define MICROPY_HW_BOARD_NAME "Raspberry Pi Pico with Skerry"
#define MICROPY_HW_FLASH_STORAGE_BYTES (MAP_FILES_BYTES)
// Interfaces are declared in usblink.c, once and for all.
#define MICROPY_HW_ENABLE_USB_RUNTIME_DEVICE (0)
#define MICROPY_HW_USB_MANUFACTURER_STRING "Skerry"
#define MICROPY_HW_USB_PRODUCT_FS_STRING "Pico"
#define MICROPY_HW_USB_CDC_INTERFACE_STRING "console"
// Opening a port at 1200 baud and closing it leads to the boot loader: how `skerry firmware flash` gets
// there without a prompt.
#define MICROPY_HW_USB_CDC_1200BPS_TOUCH (1)
