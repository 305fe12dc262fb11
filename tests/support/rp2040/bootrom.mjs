// A boot ROM for the emulated RP2040: what firmware asks of the real one, done by the emulator.
//
// The real ROM is Raspberry Pi's and is not needed. Each function is two instructions, `bkpt n; bx lr`,
// and `n` says what is to be done here; results are as chapters 2.8.3 and 2.8.2 of the RP2040's data
// sheet have them (conversions of floats round down and clamp).

const TABLE_LOOKUP_AT = 0x18, FUNCTIONS_AT = 0x14, DATA_AT = 0x16;
const FUNCTION_TABLE = 0xf0, DATA_TABLE = 0xf8; // never read: they only tell what is looked up
const FLOAT_TABLE = 0x100, DOUBLE_TABLE = 0x188, STUBS = 0x220;
const VERSION = 3;
const STACK = 0x20041f00; // where the real one leaves it
const BKPT = 0xbe00, BX_LR = 0x4770;

const code = (name) => name.charCodeAt(0) | (name.charCodeAt(1) << 8);

// Fill the ROM of `chip`. `flash.erase(at, size)`, `flash.program(at, bytes)` and `toBootloader()` are
// called when the firmware asks for it.
export function installBootrom(chip, flash, toBootloader) {
  const rom = new DataView(new ArrayBuffer(16384));
  const functions = [];
  const registers = chip.core.registers;
  const stub = (does) => {
    const at = STUBS + 4 * functions.length;
    rom.setUint16(at, BKPT | functions.length, true);
    rom.setUint16(at + 2, BX_LR, true);
    functions.push(does);
    return at | 1;
  };

  const table = new Map();
  for (const [name, does] of Object.entries(basics(chip, registers, flash, toBootloader))) {
    table.set(code(name), stub(does));
  }
  for (const [at, kind] of [[FLOAT_TABLE, SINGLE], [DOUBLE_TABLE, DOUBLE]]) {
    const made = floats(registers, chip.core, kind);
    made.forEach((does, index) => rom.setUint32(at + 4 * index, stub(does), true));
    rom.setUint8(at - 2, made.length);
  }
  const data = new Map([[code("SF"), FLOAT_TABLE], [code("SD"), DOUBLE_TABLE]]);

  rom.setUint32(0, STACK, true);
  rom.setUint32(4, STUBS | 1, true);
  new Uint8Array(rom.buffer).set([0x4d, 0x75, 1, VERSION], 0x10);
  rom.setUint16(FUNCTIONS_AT, FUNCTION_TABLE, true);
  rom.setUint16(DATA_AT, DATA_TABLE, true);
  rom.setUint16(TABLE_LOOKUP_AT, stub(() => {
    const from = registers[0] >>> 0 === DATA_TABLE ? data : table;
    registers[0] = from.get(registers[1] & 0xffff) ?? 0;
  }), true);
  chip.loadBootrom(new Uint32Array(rom.buffer));
  chip.onBreak = (number) => {
    if (!functions[number]) throw new Error(`the firmware stopped: bkpt ${number}`);
    functions[number]();
  };
}

function basics(chip, registers, flash, toBootloader) {
  const set = () => {
    const [to, value, size] = [registers[0] >>> 0, registers[1] & 0xff, registers[2] >>> 0];
    for (let at = 0; at < size; at++) chip.writeUint8(to + at, value);
  };
  const copy = () => {
    const [to, from, size] = [registers[0] >>> 0, registers[1] >>> 0, registers[2] >>> 0];
    for (let at = 0; at < size; at++) chip.writeUint8(to + at, chip.readUint8(from + at));
  };
  const onBits = (does) => () => { registers[0] = does(registers[0] >>> 0) >>> 0; };
  const nothing = () => {};
  return {
    MS: set, S4: set, MC: copy, C4: copy,
    P3: onBits((value) => { let count = 0; for (; value; value >>>= 1) count += value & 1; return count; }),
    L3: onBits((value) => Math.clz32(value)),
    T3: onBits((value) => (value ? 31 - Math.clz32(value & -value) : 32)),
    R3: onBits((value) => {
      let turned = 0;
      for (let bit = 0; bit < 32; bit++) turned = (turned << 1) | ((value >>> bit) & 1);
      return turned;
    }),
    IF: nothing, EX: nothing, FC: nothing, CX: nothing,
    RE: () => flash.erase(registers[0] >>> 0, registers[1] >>> 0),
    RP: () => {
      const [to, from, size] = [registers[0] >>> 0, registers[1] >>> 0, registers[2] >>> 0];
      flash.program(to, Uint8Array.from({ length: size }, (_, at) => chip.readUint8(from + at)));
    },
    UB: toBootloader,
  };
}

// A table of floating point, in the order of the data sheet. `kind` is SINGLE or DOUBLE.
function floats(registers, core, kind) {
  const { words, load, store } = kind;
  const first = () => load(registers, 0);
  const second = () => load(registers, words);
  const give = (value) => store(registers, value);
  const one = (does) => () => give(does(first()));
  const two = (does) => () => give(does(first(), second()));
  const order = () => Math.sign(first() - second()) || 0;
  const clamped = (value, low, high) =>
    Number.isNaN(value) ? 0 : Math.max(low, Math.min(high, Math.floor(value)));
  const toInt = (value) => { registers[0] = clamped(value, -(2 ** 31), 2 ** 31 - 1) >>> 0; };
  const toUint = (value) => { registers[0] = clamped(value, 0, 2 ** 32 - 1) >>> 0; };
  const clampedBig = (value, low, high) => {
    if (Number.isNaN(value)) return 0n;
    if (!Number.isFinite(value)) return value > 0 ? high : low;
    const whole = BigInt(Math.floor(value));
    return whole < low ? low : whole > high ? high : whole;
  };
  const give64 = (value) => {
    registers[0] = Number(BigInt.asUintN(32, value));
    registers[1] = Number(BigInt.asUintN(32, value >> 32n));
  };
  const toInt64 = (value) => give64(clampedBig(value, -(2n ** 63n), 2n ** 63n - 1n));
  const toUint64 = (value) => give64(clampedBig(value, 0n, 2n ** 64n - 1n));
  const uint64 = () => (BigInt(registers[1] >>> 0) << 32n) | BigInt(registers[0] >>> 0);
  const int64 = () => BigInt.asIntN(64, uint64());
  const places = (register) => 2 ** (registers[register] | 0);
  return [
    two((a, b) => a + b), two((a, b) => a - b), two((a, b) => a * b), two((a, b) => a / b),
    () => { registers[0] = order() >>> 0; },
    () => {
      const found = order();
      core.N = found < 0; core.Z = found === 0; core.C = found >= 0; core.V = false;
    },
    one(Math.sqrt),
    () => toInt(first()), () => toInt(first() * places(words)),
    () => toUint(first()), () => toUint(first() * places(words)),
    () => give(registers[0] | 0), () => give((registers[0] | 0) / places(1)),
    () => give(registers[0] >>> 0), () => give((registers[0] >>> 0) / places(1)),
    one(Math.cos), one(Math.sin), one(Math.tan),
    () => { throw new Error("the firmware wants a sine and a cosine at once: not here"); },
    one(Math.exp), one(Math.log),
    () => { registers[0] = order() >>> 0; },
    two(Math.atan2),
    () => give(Number(int64())), () => give(Number(int64()) / places(2)),
    () => give(Number(uint64())), () => give(Number(uint64()) / places(2)),
    () => toInt64(first()), () => toInt64(first() * places(words)),
    () => toUint64(first()), () => toUint64(first() * places(words)),
    () => kind.other.store(registers, first()),
  ];
}

const view = new DataView(new ArrayBuffer(8));
const SINGLE = {
  words: 1,
  load(registers, at) { view.setUint32(0, registers[at] >>> 0); return view.getFloat32(0); },
  store(registers, value) { view.setFloat32(0, value); registers[0] = view.getUint32(0); },
};
const DOUBLE = {
  words: 2,
  load(registers, at) {
    view.setUint32(0, registers[at + 1] >>> 0);
    view.setUint32(4, registers[at] >>> 0);
    return view.getFloat64(0);
  },
  store(registers, value) {
    view.setFloat64(0, value);
    [registers[1], registers[0]] = [view.getUint32(0), view.getUint32(4)];
  },
};
SINGLE.other = DOUBLE;
DOUBLE.other = SINGLE;
