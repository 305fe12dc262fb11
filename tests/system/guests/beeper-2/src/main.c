/* A broken version: traps at start. */
int main(void) {
    __builtin_trap();
}
