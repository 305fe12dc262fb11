// The computer at the other end of the emulated USB cable: it takes the device into use as an operating
// system does, and has a serial port for each CDC interface, in their order.

const IN = 0x80, CLASS = 0x21; // bmRequestType: to the host; of a class, to an interface
const SET_ADDRESS = 5, GET_DESCRIPTOR = 6, SET_CONFIGURATION = 9;
const SET_LINE_CODING = 0x20, SET_CONTROL_LINE_STATE = 0x22;
const DEVICE = 1, CONFIGURATION = 2, STRING = 3, INTERFACE = 4, ENDPOINT = 5;
const CDC_CONTROL = 2, CDC_DATA = 10, BULK = 2;
const PACKET = 64;
const PAUSE_NS = 1_000_000; // between two requests: a frame
const NOTHING = new Uint8Array(0);

export class UsbHost {
  // `onData(port, bytes)`: what a serial port got. `onReady()`: the device is in use.
  constructor(chip, onData, onReady) {
    this.usb = chip.usbCtrl;
    this.onData = onData;
    this.onReady = onReady;
    this.ports = []; // {control, name, in, out, waiting: bytes to send, room: of a packet, or 0}
    this.strings = {};
    this.requests = [];
    this.request = null;
    this.next = chip.clock.createAlarm(() => this.#begin());
    this.last = chip.clock.createAlarm(() => this.#end());
    this.usb.onUSBEnabled = () => this.usb.resetDevice();
    this.usb.onResetReceived = () => this.#enumerate();
    this.usb.onEndpointWrite = (endpoint, bytes) => this.#came(endpoint, bytes);
    this.usb.onEndpointRead = (endpoint, room) => this.#wanted(endpoint, room);
  }

  // Bytes for a serial port, sent as the device takes them.
  send(number, bytes) {
    const port = this.ports[number];
    if (!port) return;
    port.waiting.push(...bytes);
    this.#flush(port);
  }

  // What a program does that opens (DTR) or closes a port, at a speed.
  open(number, isOpen, baud = 115200) {
    const port = this.ports[number];
    const coding = new DataView(new ArrayBuffer(7));
    coding.setUint32(0, baud, true);
    coding.setUint8(6, 8);
    this.#ask(CLASS, SET_LINE_CODING, 0, port.control, new Uint8Array(coding.buffer));
    this.#ask(CLASS, SET_CONTROL_LINE_STATE, isOpen ? 3 : 0, port.control);
  }

  #ask(type, request, value, index, data = NOTHING, wanted = 0, then = () => {}) {
    const size = type & IN ? wanted : data.length;
    const setup = new Uint8Array([
      type, request, value & 255, value >> 8, index & 255, index >> 8, size & 255, size >> 8]);
    this.requests.push({ setup, isIn: !!(type & IN), data, wanted, got: [], then });
    if (!this.request && !this.next.scheduled) this.next.schedule(PAUSE_NS);
  }

  #describe(kind, index, wanted, then) {
    this.#ask(IN, GET_DESCRIPTOR, (kind << 8) | index, kind === STRING ? 0x409 : 0, NOTHING, wanted, then);
  }

  #begin() {
    this.next.scheduled = false;
    this.request = this.requests.shift() ?? null;
    if (this.request) this.usb.sendSetupPacket(this.request.setup);
  }

  #end() {
    const { then, got } = this.request;
    this.request = null;
    then(got);
    if (this.requests.length) this.next.schedule(PAUSE_NS);
  }

  #came(endpoint, bytes) {
    if (endpoint) {
      const number = this.ports.findIndex((port) => port.in === endpoint);
      if (number >= 0 && bytes.length) this.onData(number, bytes);
    } else if (this.request?.isIn) {
      this.request.got.push(...bytes); // the device then wants the empty packet that ends it
    } else if (this.request && bytes.length === 0) {
      this.#end();
    }
  }

  #wanted(endpoint, room) {
    if (endpoint) {
      const port = this.ports.find((one) => one.out === endpoint);
      if (!port) return;
      port.room = room;
      this.#flush(port);
    } else if (this.request) {
      const { isIn, data } = this.request;
      this.usb.endpointReadDone(0, isIn ? NOTHING : data.slice(0, room));
      if (isIn && room === 0) this.last.schedule(PAUSE_NS); // what it sent may come after this
    }
  }

  #flush(port) {
    if (!port.room || !port.waiting.length) return;
    const packet = port.waiting.splice(0, Math.min(port.room, PACKET));
    port.room = 0;
    this.usb.endpointReadDone(port.out, Uint8Array.from(packet));
  }

  #enumerate() {
    this.requests = [];
    this.request = null;
    this.#ask(0, SET_ADDRESS, 1, 0);
    this.#describe(DEVICE, 0, 18, (device) => {
      this.ids = [device[8] | (device[9] << 8), device[10] | (device[11] << 8)];
      for (const [name, at] of [["manufacturer", 14], ["product", 15], ["serial", 16]]) {
        this.#name(device[at], (text) => { this.strings[name] = text; });
      }
      this.#describe(CONFIGURATION, 0, 9, (head) =>
        this.#describe(CONFIGURATION, 0, head[2] | (head[3] << 8), (whole) => this.#use(whole)));
    });
  }

  #name(index, then) {
    this.#describe(STRING, index, 255, (bytes) => {
      const units = [];
      for (let at = 2; at < bytes.length; at += 2) units.push(bytes[at] | (bytes[at + 1] << 8));
      then(String.fromCharCode(...units));
    });
  }

  #use(descriptors) {
    this.ports = [];
    let within = 0;
    for (let at = 0; at < descriptors.length; at += descriptors[at]) {
      const found = descriptors.slice(at, at + descriptors[at]);
      if (found[1] === INTERFACE) {
        within = found[5];
        if (within === CDC_CONTROL) {
          const port = { control: found[2], name: "", in: 0, out: 0, waiting: [], room: 0 };
          this.ports.push(port);
          this.#name(found[8], (text) => { port.name = text; });
        }
      } else if (found[1] === ENDPOINT && within === CDC_DATA && (found[3] & 3) === BULK) {
        this.ports.at(-1)[found[2] & IN ? "in" : "out"] = found[2] & 15;
      }
    }
    this.#ask(0, SET_CONFIGURATION, 1, 0, NOTHING, 0, () => this.onReady());
  }
}
