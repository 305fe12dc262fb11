# What is in the runtime as bytecode: MicroPython's asyncio with our way to run it, and `skerry`.
package(
    "asyncio",
    ("core.py", "event.py", "funcs.py", "lock.py", "stream.py"),
    base_path="$(MPY_DIR)/extmod",
    opt=1,  # without assertions, with line numbers
)
freeze("$(PORT_DIR)/frozen")
