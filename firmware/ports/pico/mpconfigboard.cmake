# Read by the CMakeLists.txt of MicroPython's port `rp2`, before its own settings.
set(PICO_BOARD "pico")
set(PICO_PLATFORM "rp2040")
set(PICO_TINYUSB_PATH ${SKERRY_TINYUSB})
set(PICO_NO_PICOTOOL 1) # the UF2 is made by `skerry firmware build`

set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
get_filename_component(MICROPY_MANIFEST_PROJECT_DIR ${MICROPY_BOARD_DIR}/../../.. ABSOLUTE)
list(APPEND MICROPY_SOURCE_BOARD ${MICROPY_BOARD_DIR}/usblink.c)
list(APPEND MICROPY_DEF_BOARD
    MP_CONFIGFILE="mpconfigskerry.h"
    CFG_TUSB_CONFIG_FILE="tusb_config_skerry.h"
)

# The port always takes in Mbed TLS, which is not in Debian's tarball, for a network that a Pico does
# not have. Its CMakeLists.txt sets this without asking: the setting is undone as it happens.
add_library(micropy_lib_mbedtls INTERFACE)
function(skerry_without_mbedtls variable access value)
    if(access STREQUAL "MODIFIED_ACCESS" AND value)
        set(${variable} OFF PARENT_SCOPE)
    endif()
endfunction()
variable_watch(MICROPY_SSL_MBEDTLS skerry_without_mbedtls)

# What TinyUSB asks about the device is asked of usblink.c first; it passes on what is not its own.
foreach(asked tud_descriptor_configuration_cb tud_descriptor_string_cb tud_cdc_rx_cb)
    add_link_options(-Wl,--wrap=${asked})
endforeach()

# The same bytes wherever the source lies.
add_compile_options(
    -ffile-prefix-map=${MICROPY_DIR}=micropython
    -ffile-prefix-map=${PICO_SDK_PATH}=pico-sdk
    -ffile-prefix-map=${SKERRY_TINYUSB}=tinyusb
    -ffile-prefix-map=${MICROPY_BOARD_DIR}=pico
    -ffile-prefix-map=${CMAKE_BINARY_DIR}=build
)
