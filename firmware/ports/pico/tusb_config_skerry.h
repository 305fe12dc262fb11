// TinyUSB as MicroPython configures it, with a second serial port: the link.
#include "shared/tinyusb/tusb_config.h"

#undef CFG_TUD_CDC
#define CFG_TUD_CDC (2)
