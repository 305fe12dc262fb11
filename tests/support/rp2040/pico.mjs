// A Raspberry Pi Pico that is on: RP2040, flash that a file keeps, a USB cable to `UsbHost`.
//
// Its clock follows the real one and is late when emulating takes longer; it never runs ahead. What
// rp2040js lacks and firmware needs is added here: a boot ROM, the flash chip's unique number, and the
// reset by the watchdog, which is how MicroPython resets.
import fs from "node:fs";
import { LogLevel, ConsoleLogger, Simulator } from "rp2040js";
import { installBootrom } from "./bootrom.mjs";
import { UsbHost } from "./usbhost.mjs";

export const FLASH_BYTES = 2 << 20;
const XIP = 0x10000000;
const CYCLE_NS = 8; // at 125 MHz
const SLICE = 100_000; // instructions before sockets are looked at
const LATE_NS = 20e6; // what is made up for; beyond it the clock stands still
const SSI = 0x18000, SSI_DR0 = 0x60, IO_QSPI = 0x40018, CHIP_SELECT = 0x0c;
const FORCED_LOW = 2 << 8;
const READ_UNIQUE = 0x4b, DUMMIES = 5; // command and what comes before the eight bytes
const WATCHDOG = 0x40058;

export class Pico {
  // `flash`: a file, made from the UF2 file when it is not there. `unique`: eight bytes.
  // `onData(port, bytes)`; `onEvent(name)`: "usb", "reset", "bootloader", "dark".
  // `cut`: {writes, torn}: the power goes in that write to flash, which is done as far as `torn` bytes.
  constructor(flash, uf2, unique, onData, onEvent, cut = null) {
    Object.assign(this, { unique, onData, onEvent, cut });
    this.flash = new Uint8Array(FLASH_BYTES).fill(0xff);
    if (!fs.existsSync(flash)) {
      this.#burn(fs.readFileSync(uf2));
      fs.writeFileSync(`${flash}.new`, this.flash);
      fs.renameSync(`${flash}.new`, flash);
    }
    this.file = fs.openSync(flash, "r+");
    fs.readSync(this.file, this.flash);
    this.#powerOn();
  }

  // Emulate from now on.
  run() {
    this.began = performance.now() - this.clock.nanos / 1e6;
    const slice = () => {
      if (this.isDone) return;
      setTimeout(slice, this.#slice() ? 0 : 1);
    };
    slice();
  }

  #burn(uf2) {
    for (let at = 0; at < uf2.length; at += 512) {
      const size = uf2.readUInt32LE(at + 16);
      this.flash.set(uf2.subarray(at + 32, at + 32 + size), uf2.readUInt32LE(at + 12) - XIP);
    }
  }

  #powerOn(scratch = null, reason = 0) {
    const { clock, rp2040: chip } = new Simulator(); // which is not run: `run` keeps the time
    this.clock = clock;
    chip.logger = new ConsoleLogger(LogLevel.Error);
    this.chip = chip;
    installBootrom(chip, {
      erase: (at, size) => this.#write(at, new Uint8Array(size).fill(0xff)),
      program: (at, bytes) => this.#write(at, bytes.map((byte, index) => byte & chip.flash[at + index])),
    }, () => this.#stop("bootloader"));
    chip.flash.set(this.flash);
    this.#flashChip(chip);
    const watchdog = chip.peripherals[WATCHDOG];
    watchdog.onWatchdogTrigger = () => {
      watchdog.timer.enable = false; // or it is due again at once, for ever
      this.isReset = true;
    };
    watchdog.reason = reason;
    if (scratch) watchdog.scratchData.set(scratch);
    for (const pin of chip.gpio) { // a pad is read back as it is driven
      pin.addListener(() => pin.outputEnable && pin.setInputValue(pin.outputValue));
    }
    this.usb = new UsbHost(chip, this.onData, () => this.onEvent("usb"));
    chip.core.PC = XIP; // the second stage of the loader, which sets flash up
    this.isReset = false;
  }

  #write(at, bytes) {
    if (this.isDone) return;
    if (this.cut && --this.cut.writes === 0) {
      bytes = bytes.subarray(0, this.cut.torn);
      this.#stop("dark");
    }
    this.chip.flash.set(bytes, at);
    this.flash.set(bytes, at);
    fs.writeSync(this.file, bytes, 0, bytes.length, at);
  }

  // The flash chip answers a command of its own while its select line is forced low.
  #flashChip(chip) {
    const ssi = chip.peripherals[SSI], pins = chip.peripherals[IO_QSPI];
    const [read, write] = [ssi.readUint32.bind(ssi), ssi.writeUint32.bind(ssi)];
    let select = 0, command = 0, sent = 0, answers = [];
    const isSelected = () => (select & (3 << 8)) === FORCED_LOW;
    pins.readUint32 = (offset) => (offset === CHIP_SELECT ? select : 0);
    pins.writeUint32 = (offset, value) => {
      if (offset !== CHIP_SELECT) return;
      select = value;
      [command, sent, answers] = [0, 0, []];
    };
    ssi.writeUint32 = (offset, value) => {
      if (offset !== SSI_DR0 || !isSelected()) return write(offset, value);
      if (sent === 0) command = value;
      answers.push(command === READ_UNIQUE ? this.unique[sent - DUMMIES] ?? 0 : 0);
      sent += 1;
    };
    ssi.readUint32 = (offset) =>
      offset === SSI_DR0 && answers.length ? answers.shift() : read(offset);
  }

  #reset() {
    const watchdog = this.chip.peripherals[WATCHDOG];
    this.#powerOn(watchdog.scratchData, watchdog.reason);
    this.began = performance.now();
    this.onEvent("reset");
  }

  #stop(event) {
    this.isDone = true;
    this.onEvent(event);
  }

  // One piece of work; whether there is more at once.
  #slice() {
    const { chip, clock } = this;
    const { core } = chip;
    const now = (performance.now() - this.began) * 1e6;
    if (now - clock.nanos > LATE_NS) this.began += (now - clock.nanos - LATE_NS) / 1e6;
    const until = Math.min(now, clock.nanos + SLICE * CYCLE_NS);
    for (let count = 0; clock.nanos < until && count < SLICE && !this.isDone; count++) {
      if (this.isReset) {
        this.#reset();
        return true;
      }
      if (core.waiting) {
        const next = clock.nextAlarm ? clock.nanosToNextAlarm : Infinity;
        clock.tick(Math.min(next, until - clock.nanos));
      } else {
        clock.tick(core.executeInstruction() * CYCLE_NS);
      }
    }
    return clock.nanos < (performance.now() - this.began) * 1e6;
  }
}
