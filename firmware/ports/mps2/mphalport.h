// What MicroPython's own modules ask of this machine.
#include <stddef.h>
#include <stdint.h>

#include "board.h"
#include "shared/runtime/interrupt_char.h"

static inline uint32_t irq_lock(void) {
    uint32_t state;
    __asm volatile ("mrs %0, primask\ncpsid i" : "=r" (state) :: "memory");
    return state;
}

static inline void irq_unlock(uint32_t state) {
    __asm volatile ("msr primask, %0" :: "r" (state) : "memory");
}

#define MICROPY_BEGIN_ATOMIC_SECTION() irq_lock()
#define MICROPY_END_ATOMIC_SECTION(state) irq_unlock(state)
#define MICROPY_INTERNAL_WFE(TIMEOUT_MS) __asm volatile ("wfi")

// Emulated instructions take long enough for any bus.
#define mp_hal_delay_us_fast(us) (void)(us)

typedef struct _machine_pin_obj_t machine_pin_obj_t;
#define mp_hal_pin_obj_t const machine_pin_obj_t *
mp_hal_pin_obj_t mp_hal_get_pin_obj(void *object);
unsigned mp_hal_pin_name(mp_hal_pin_obj_t pin);
int mp_hal_pin_read(mp_hal_pin_obj_t pin);
void mp_hal_pin_write(mp_hal_pin_obj_t pin, int level);
void mp_hal_pin_open_drain(mp_hal_pin_obj_t pin);
#define MP_HAL_PIN_FMT "%u"
#define mp_hal_pin_od_low(pin) mp_hal_pin_write(pin, 0)
#define mp_hal_pin_od_high(pin) mp_hal_pin_write(pin, 1)
