// Where what lies in flash. A slot's last sector keeps how far an upload got.
#ifndef BOOT_MPS2_MAP_H
#define BOOT_MPS2_MAP_H

#define MAP_STATE (0x000000u)
#define MAP_FILES (0x100000u)
#define MAP_FILES_BYTES (0x100000u)
#define MAP_SLOTS (0x200000u)
#define MAP_SLOT(number) (MAP_SLOTS + (number) * MAP_SLOT_BYTES)
#define MAP_SLOT_BYTES (0x100000u)
#define MAP_IMAGE_BYTES (MAP_SLOT_BYTES - 4096u)

#endif
