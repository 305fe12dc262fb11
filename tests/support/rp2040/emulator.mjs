// node emulator.mjs FIRMWARE.uf2 FLASH UNIQUE FOLDER [WRITES TORN]: a Pico whose cables are Unix sockets.
//
// WRITES TORN: its power goes in that write to flash, after so many bytes of it.
// FOLDER holds the listening sockets `console` and `link`, its two serial ports, and `control`: a JSON
// object a line, each answered by one.
//     {"pin": n}               {"level": 0 or 1, "driven": bool, "pull": "up", "down" or ""}
//     {"pin": n, "level": l}   drives an input from outside
//     {"adc": n, "value": v}   what converter n sees, of 4095
//     {"watch": n, "ms": t}    over t ms of the Pico's time: {"rises": n, "high": share}
//     {"open": n, "baud": b}   opens serial port n, or closes it with "baud": 0
//     {"usb": true}            what the device said of itself
// Events are lines with "event": "usb", "reset", "bootloader", "dark".
import net from "node:net";
import { Pico } from "./pico.mjs";

const [uf2, flash, unique, folder, writes, torn] = process.argv.slice(2);
const pico = new Pico(flash, uf2, Buffer.from(unique, "hex"),
  (port, bytes) => ports[port]?.write(bytes),
  (event) => {
    if (event === "usb") ports.forEach((_, number) => pico.usb.open(number, true));
    say({ event });
  },
  writes ? { writes: Number(writes), torn: Number(torn) } : null);
const dial = (name) => net.createConnection(`${folder}/${name}`).on("error", () => process.exit(1));
const ports = [dial("console"), dial("link")];
const control = dial("control");
const say = (told) => control.write(`${JSON.stringify(told)}\n`);

ports.forEach((port, number) => port.on("data", (bytes) => pico.usb.send(number, bytes)));

let heard = "";
control.on("data", (bytes) => {
  heard += bytes;
  const lines = heard.split("\n");
  heard = lines.pop();
  for (const line of lines) answer(JSON.parse(line));
});
control.on("close", () => process.exit(0));

function answer(asked) {
  const { chip, usb } = pico;
  if ("watch" in asked) return watch(asked.watch, asked.ms);
  if ("adc" in asked) {
    chip.adc.channelValues[asked.adc] = asked.value;
    return say({});
  }
  if ("open" in asked) {
    usb.open(asked.open, asked.baud !== 0, asked.baud || asked.at);
    return say({});
  }
  if ("usb" in asked) {
    return say({ ...usb.strings, ids: usb.ids, ports: usb.ports.map((port) => port.name) });
  }
  const pin = chip.gpio[asked.pin];
  if ("level" in asked) pin.setInputValue(!!asked.level);
  const pull = pin.pullupEnabled ? "up" : pin.pulldownEnabled ? "down" : "";
  return say({ level: pin.outputValue ? 1 : 0, driven: !!pin.outputEnable, pull });
}

function watch(number, ms) {
  const { chip, clock } = pico;
  const pin = chip.gpio[number];
  const began = clock.nanos;
  let [rises, high, since, level] = [0, 0, began, pin.outputValue];
  const forget = pin.addListener(() => {
    if (level) high += clock.nanos - since;
    else if (pin.outputValue) rises += 1;
    [since, level] = [clock.nanos, pin.outputValue];
  });
  clock.createAlarm(() => {
    forget();
    if (level) high += clock.nanos - since;
    say({ rises, high: high / (clock.nanos - began) });
  }).schedule(ms * 1e6);
}

pico.run();
