// Where what lies in flash, from its begin. A slot's last sector keeps how far an upload got.
// The bootloader is never written over the link, so none of this can change for a part that has it.
#ifndef BOOT_PICO_MAP_H
#define BOOT_PICO_MAP_H

#define MAP_BOOT_BYTES (0x008000u)
#define MAP_STATE (0x008000u)
#define MAP_SLOTS (0x00A000u)
#define MAP_SLOT(number) (MAP_SLOTS + (number) * MAP_SLOT_BYTES)
#define MAP_SLOT_BYTES (0x07C000u)
#define MAP_IMAGE_BYTES (MAP_SLOT_BYTES - 4096u)
// Programs are run here.
#define MAP_RUN (0x102000u)
#define MAP_RUN_BYTES (0x07C000u)
#define MAP_FILES (0x180000u)
#define MAP_FILES_BYTES (0x080000u)

#endif
