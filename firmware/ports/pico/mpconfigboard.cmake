# Read by the CMakeLists.txt of MicroPython's port `rp2`, before its own settings.
set(PICO_BOARD "pico")
set(PICO_PLATFORM "rp2040")
set(PICO_TINYUSB_PATH ${SKERRY_TINYUSB})
set(PICO_NO_PICOTOOL 1) # the UF2 is made by `skerry firmware build`

set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
get_filename_component(MICROPY_MANIFEST_PROJECT_DIR ${MICROPY_BOARD_DIR}/../../.. ABSOLUTE)
# What the bootloader is made of, too: who starts an image and who replaces it agree.
get_filename_component(SKERRY_BOOT ${MICROPY_BOARD_DIR}/../../boot ABSOLUTE)
get_filename_component(SKERRY_SHARED ${MICROPY_BOARD_DIR}/../shared ABSOLUTE)
list(APPEND MICROPY_SOURCE_BOARD
    ${MICROPY_BOARD_DIR}/usblink.c
    ${MICROPY_BOARD_DIR}/alone.c
    ${SKERRY_SHARED}/port_slots.c
    ${SKERRY_BOOT}/pico/machine.c
)
foreach(part boot state image digest nor)
    list(APPEND MICROPY_SOURCE_BOARD ${SKERRY_BOOT}/${part}.c)
endforeach()
include_directories(${SKERRY_BOOT}/pico)
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

# The bootloader copies the program to where map.h and machine.h say: PROGRAM_AT. The port's script for
# the linker has the begin of flash there. The 256 bytes before are a second stage of the loader that
# nobody runs, and that `skerry firmware build` leaves out. As long as a slot takes, header and all.
file(READ ${MICROPY_DIR}/ports/rp2/memmap_mp_rp2040.ld SKERRY_SCRIPT)
string(REPLACE
    "ORIGIN = 0x10000000, LENGTH = 2048k"
    "ORIGIN = 0x10102000 - 256, LENGTH = 491k + 256"
    SKERRY_MOVED "${SKERRY_SCRIPT}")
if(SKERRY_MOVED STREQUAL SKERRY_SCRIPT)
    message(FATAL_ERROR "MicroPython's memmap_mp_rp2040.ld is not the one that is known here")
endif()
file(WRITE ${CMAKE_BINARY_DIR}/program.ld "${SKERRY_MOVED}")
# After the port's CMakeLists.txt has named its own.
cmake_language(DEFER CALL set_target_properties firmware
    PROPERTIES PICO_TARGET_LINKER_SCRIPT ${CMAKE_BINARY_DIR}/program.ld)

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
    -ffile-prefix-map=${SKERRY_BOOT}=boot
    -ffile-prefix-map=${SKERRY_SHARED}=shared
    -ffile-prefix-map=${CMAKE_BINARY_DIR}=build
)
