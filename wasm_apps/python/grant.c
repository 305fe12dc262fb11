// Grants that are open, by name and by handle.
#include "grant.h"

#include "extmod/modmachine.h"
#include "py/mphal.h"
#include "py/runtime.h"

grant_t *grant_find(const mp_obj_type_t *type, mp_obj_t name) {
    if (!mp_obj_is_str(name)) {
        mp_raise_TypeError(MP_ERROR_TEXT("the name of a grant in app.toml, as text"));
    }
    for (grant_t *grant = MP_STATE_VM(open_grants); grant != NULL; grant = grant->next) {
        if (grant->base.type == type && grant->name == mp_obj_str_get_qstr(name)) {
            return grant;
        }
    }
    return NULL;
}

grant_t *grant_by_handle(int32_t handle) {
    grant_t *grant = MP_STATE_VM(open_grants);
    while (grant != NULL && grant->handle != handle) {
        grant = grant->next;
    }
    return grant;
}

void grant_open(grant_t *grant, mp_obj_t name, host_open_t open) {
    size_t length;
    const char *text = mp_obj_str_get_data(name, &length);
    int32_t handle = open(text, length);
    if (handle < 0) {
        mp_raise_OSError_with_filename(port_errno(-handle), text);
    }
    grant->name = mp_obj_str_get_qstr(name);
    grant->handle = handle;
    grant->next = MP_STATE_VM(open_grants);
    MP_STATE_VM(open_grants) = grant;
}

void grant_forget(grant_t *grant) {
    for (grant_t **at = &MP_STATE_VM(open_grants); *at != NULL; at = &(*at)->next) {
        if (*at == grant) {
            *at = grant->next;
            grant->handle = 0;
            return;
        }
    }
}

int32_t host_check(int32_t result) {
    if (result < 0) {
        mp_raise_OSError(port_errno(-result));
    }
    return result;
}

MP_REGISTER_ROOT_POINTER(struct _grant_t *open_grants);
