//! Skerry for Zig: the guest ABI (docs/guest-abi.md) with slices and errors.

pub const Error = error{
    AccessDenied,
    Again,
    BadHandle,
    Busy,
    Fault,
    Invalid,
    Io,
    NotFound,
    NoSpace,
    NotSupported,
    NoDevice,
    NotGranted,
    ReadOnly,
    TimedOut,
    Overflow,
    Unknown,
};

fn check(result: i32) Error!u31 {
    if (result >= 0) return @intCast(result);
    return switch (result) {
        -2 => error.AccessDenied,
        -6 => error.Again,
        -8 => error.BadHandle,
        -10 => error.Busy,
        -21 => error.Fault,
        -28 => error.Invalid,
        -29 => error.Io,
        -44 => error.NotFound,
        -51 => error.NoSpace,
        -58 => error.NotSupported,
        -60 => error.NoDevice,
        -63 => error.NotGranted,
        -69 => error.ReadOnly,
        -73 => error.TimedOut,
        -61 => error.Overflow,
        else => error.Unknown,
    };
}

// --- the next thing ---

pub const EventType = enum(u32) {
    nothing = 0,
    /// `value`: milliseconds left to return from main.
    stop = 1,
    /// `value`: number of desired properties that changed.
    twin = 2,
    /// `value`: 1 rising, 0 falling.
    gpio_edge = 3,
    serial_readable = 4,
    serial_closed = 5,
    _,
};

pub const Event = extern struct {
    type: EventType = .nothing,
    handle: i32 = 0,
    /// Monotonic.
    time_ns: i64 = 0,
    value: i64 = 0,
    reserved: u64 = 0,
};

comptime {
    if (@sizeOf(Event) != 32) @compileError("the ABI's event has 32 bytes");
}

/// The next event, or one of type `nothing` when the timeout passed; below 0 waits for ever.
pub fn wait(timeout_ms: i64) Event {
    var event = Event{};
    if (event_abi.wait(timeout_ms, &event, @sizeOf(Event)) != 1) event.type = .nothing;
    return event;
}

/// Wall-clock nanoseconds since 1970; may be wrong on a board without a clock.
pub fn nowNs() i64 {
    return event_abi.now_ns();
}

pub fn monotonicNs() i64 {
    return event_abi.monotonic_ns();
}

// --- hardware ---

pub const Gpio = struct {
    handle: i32,

    pub fn open(grant: []const u8) Error!Gpio {
        return .{ .handle = try check(gpio_abi.open(grant.ptr, grant.len)) };
    }
    pub fn read(self: Gpio) Error!bool {
        return try check(gpio_abi.read(self.handle)) == 1;
    }
    pub fn write(self: Gpio, level: bool) Error!void {
        _ = try check(gpio_abi.write(self.handle, @intFromBool(level)));
    }
    pub fn close(self: Gpio) void {
        _ = gpio_abi.close(self.handle);
    }
};

pub const I2c = struct {
    handle: i32,

    pub const Operation = extern struct {
        flags: enum(u32) { write = 0, read = 1 },
        data: [*]u8,
        length: usize,
    };

    pub fn open(grant: []const u8) Error!I2c {
        return .{ .handle = try check(i2c_abi.open(grant.ptr, grant.len)) };
    }
    pub fn write(self: I2c, data: []const u8) Error!void {
        _ = try check(i2c_abi.write(self.handle, data.ptr, data.len));
    }
    pub fn read(self: I2c, data: []u8) Error!void {
        _ = try check(i2c_abi.read(self.handle, data.ptr, data.len));
    }
    pub fn writeRead(self: I2c, out: []const u8, in: []u8) Error!void {
        _ = try check(i2c_abi.write_read(self.handle, out.ptr, out.len, in.ptr, in.len));
    }
    pub fn transaction(self: I2c, operations: []const Operation) Error!void {
        _ = try check(i2c_abi.transaction(self.handle, operations.ptr, operations.len));
    }
    pub fn close(self: I2c) void {
        _ = i2c_abi.close(self.handle);
    }
};

pub const Serial = struct {
    handle: i32,

    pub fn open(grant: []const u8) Error!Serial {
        return .{ .handle = try check(serial_abi.open(grant.ptr, grant.len)) };
    }
    /// What has arrived; empty when nothing has.
    pub fn read(self: Serial, buffer: []u8) Error![]u8 {
        return buffer[0..try check(serial_abi.read(self.handle, buffer.ptr, buffer.len))];
    }
    /// Bytes taken before the timeout.
    pub fn write(self: Serial, data: []const u8, timeout_ms: i32) Error!usize {
        return try check(serial_abi.write(self.handle, data.ptr, data.len, timeout_ms));
    }
    pub fn close(self: Serial) void {
        _ = serial_abi.close(self.handle);
    }
};

// --- what the node keeps ---

/// A value the operator granted under this name of the manifest.
pub fn secret(name: []const u8, buffer: []u8) Error![]u8 {
    return buffer[0..try check(secret_abi.get(name.ptr, name.len, buffer.ptr, buffer.len))];
}

pub const kv = struct {
    pub fn get(key: []const u8, buffer: []u8) Error![]u8 {
        return buffer[0..try check(kv_abi.get(key.ptr, key.len, buffer.ptr, buffer.len))];
    }
    pub fn set(key: []const u8, value: []const u8) Error!void {
        _ = try check(kv_abi.set(key.ptr, key.len, value.ptr, value.len));
    }
    pub fn delete(key: []const u8) Error!void {
        _ = try check(kv_abi.delete(key.ptr, key.len));
    }
    /// Keys with that prefix, each ended by a zero byte.
    pub fn keys(prefix: []const u8, buffer: []u8) Error![]u8 {
        return buffer[0..try check(kv_abi.keys(prefix.ptr, prefix.len, buffer.ptr, buffer.len))];
    }
};

pub const twin = struct {
    /// Desired value as JSON text.
    pub fn get(name: []const u8, buffer: []u8) Error![]u8 {
        return buffer[0..try check(twin_abi.get(name.ptr, name.len, buffer.ptr, buffer.len))];
    }
    /// Reports the value in force, as JSON text.
    pub fn report(name: []const u8, json: []const u8) Error!void {
        _ = try check(twin_abi.report(name.ptr, name.len, json.ptr, json.len));
    }
    /// Desired whole or decimal number without an exponent, or `otherwise`.
    pub fn number(name: []const u8, otherwise: f64) f64 {
        var buffer: [32]u8 = undefined;
        const json = get(name, &buffer) catch return otherwise;
        return parseDecimal(json) orelse otherwise;
    }
    pub fn reportInteger(name: []const u8, value: u64) Error!void {
        var buffer: [20]u8 = undefined;
        return report(name, formatInteger(&buffer, value));
    }
};

pub const Level = enum(i32) { err = 3, warning = 4, info = 6, debug = 7 };

pub fn log(level: Level, text: []const u8) void {
    _ = log_abi.write(@intFromEnum(level), text.ptr, text.len);
}

pub const Stream = struct {
    handle: i32,

    pub fn open(name: []const u8) Error!Stream {
        return .{ .handle = try check(telemetry_abi.open(name.ptr, name.len)) };
    }
    /// Number of records published.
    pub fn publish(self: Stream, pack: *Senml) Error!usize {
        const bytes = try pack.end();
        return try check(telemetry_abi.publish(self.handle, bytes.ptr, bytes.len));
    }
};

/// Waits until everything this app published is on disk.
pub fn flush(timeout_ms: i64) Error!void {
    _ = try check(telemetry_abi.flush(timeout_ms));
}

/// A SenML pack in CBOR (RFC 8428 section 6) in a buffer of the caller's.
/// A record that does not fit, or is NaN or infinite, spoils the pack: `end` gives the error.
pub const Senml = struct {
    buffer: []u8,
    length: usize = header,
    records: u32 = 0,
    failed: ?Error = null,

    const header = 3;

    pub fn in(buffer: []u8) Senml {
        var pack = Senml{ .buffer = buffer };
        if (buffer.len < header) pack.failed = error.Overflow;
        return pack;
    }
    /// An empty name is the stream's own, an empty unit none.
    pub fn number(self: *Senml, name: []const u8, unit: []const u8, value: f64) void {
        self.begin(name, unit);
        self.head(0, 2);
        self.float(value);
    }
    pub fn boolean(self: *Senml, name: []const u8, value: bool) void {
        self.begin(name, "");
        self.head(0, 4);
        self.head(7, if (value) 21 else 20);
    }
    pub fn string(self: *Senml, name: []const u8, value: []const u8) void {
        self.begin(name, "");
        self.head(0, 3);
        self.text(value);
    }
    pub fn end(self: *Senml) Error![]const u8 {
        if (self.failed) |failure| return failure;
        if (self.records == 0) return error.Invalid;
        var first: usize = header - 1;
        if (self.records < 24) {
            self.buffer[first] = @intCast(0x80 | self.records);
        } else if (self.records <= 0xFF) {
            first -= 1;
            self.buffer[first] = 0x98;
            self.buffer[first + 1] = @intCast(self.records);
        } else {
            first -= 2;
            self.buffer[first] = 0x99;
            self.buffer[first + 1] = @intCast(self.records >> 8);
            self.buffer[first + 2] = @intCast(self.records & 0xFF);
        }
        return self.buffer[first..self.length];
    }

    fn begin(self: *Senml, name: []const u8, unit: []const u8) void {
        if (self.records == 1000) self.failed = error.Overflow;
        self.records += 1;
        const named: u64 = @intFromBool(name.len > 0);
        const united: u64 = @intFromBool(unit.len > 0);
        self.head(5, 1 + named + united);
        if (name.len > 0) {
            self.head(0, 0);
            self.text(name);
        }
        if (unit.len > 0) {
            self.head(0, 1);
            self.text(unit);
        }
    }
    fn text(self: *Senml, value: []const u8) void {
        self.head(3, value.len);
        self.bytes(value);
    }
    fn float(self: *Senml, value: f64) void {
        if (value != value or value - value != 0) {
            self.failed = self.failed orelse error.Invalid;
            return;
        }
        if (@abs(value) < 9e15 and @trunc(value) == value) {
            const whole: i64 = @intFromFloat(value);
            if (whole < 0) self.head(1, @intCast(-1 - whole)) else self.head(0, @intCast(whole));
            return;
        }
        const narrow: f32 = @floatCast(value);
        if (@as(f64, narrow) == value) {
            self.bigEndian(0xFA, @as(u32, @bitCast(narrow)), 4);
        } else {
            self.bigEndian(0xFB, @as(u64, @bitCast(value)), 8);
        }
    }
    fn head(self: *Senml, major: u8, value: u64) void {
        const initial = major << 5;
        if (value < 24) {
            self.bigEndian(initial | @as(u8, @intCast(value)), 0, 0);
        } else if (value <= 0xFF) {
            self.bigEndian(initial | 24, value, 1);
        } else if (value <= 0xFFFF) {
            self.bigEndian(initial | 25, value, 2);
        } else if (value <= 0xFFFFFFFF) {
            self.bigEndian(initial | 26, value, 4);
        } else {
            self.bigEndian(initial | 27, value, 8);
        }
    }
    fn bigEndian(self: *Senml, initial: u8, value: u64, count: u4) void {
        var out: [9]u8 = undefined;
        out[0] = initial;
        for (0..count) |i| {
            out[1 + i] = @truncate(value >> @intCast(8 * (count - 1 - i)));
        }
        self.bytes(out[0 .. @as(usize, 1) + count]);
    }
    fn bytes(self: *Senml, data: []const u8) void {
        if (self.failed != null) return;
        if (self.length + data.len > self.buffer.len) {
            self.failed = error.Overflow;
            return;
        }
        @memcpy(self.buffer[self.length..][0..data.len], data);
        self.length += data.len;
    }
};

// --- text without std.fmt, which would be larger than most apps ---

/// A number such as `-12.50`; null when the text is anything else.
pub fn parseDecimal(source: []const u8) ?f64 {
    const negative = source.len > 0 and source[0] == '-';
    var value: f64 = 0;
    var scale: f64 = 1;
    var digits: usize = 0;
    var point = false;
    for (source[@intFromBool(negative)..]) |c| {
        if (c == '.' and !point) {
            point = true;
        } else if (c >= '0' and c <= '9') {
            value = value * 10 + @as(f64, @floatFromInt(c - '0'));
            if (point) scale *= 10;
            digits += 1;
        } else return null;
    }
    if (digits == 0) return null;
    return if (negative) -value / scale else value / scale;
}

pub fn formatInteger(buffer: *[20]u8, value: u64) []const u8 {
    var at: usize = buffer.len;
    var rest = value;
    while (true) {
        at -= 1;
        buffer[at] = '0' + @as(u8, @intCast(rest % 10));
        rest /= 10;
        if (rest == 0) return buffer[at..];
    }
}

// --- the imports ---

const event_abi = struct {
    extern "skerry_event" fn wait(timeout_ms: i64, event: *Event, capacity: usize) i32;
    extern "skerry_event" fn now_ns() i64;
    extern "skerry_event" fn monotonic_ns() i64;
};
const gpio_abi = struct {
    extern "skerry_gpio" fn open(name: [*]const u8, length: usize) i32;
    extern "skerry_gpio" fn read(handle: i32) i32;
    extern "skerry_gpio" fn write(handle: i32, value: i32) i32;
    extern "skerry_gpio" fn close(handle: i32) i32;
};
const i2c_abi = struct {
    extern "skerry_i2c" fn open(name: [*]const u8, length: usize) i32;
    extern "skerry_i2c" fn write(handle: i32, data: [*]const u8, length: usize) i32;
    extern "skerry_i2c" fn read(handle: i32, data: [*]u8, length: usize) i32;
    extern "skerry_i2c" fn write_read(handle: i32, out: [*]const u8, out_length: usize, in: [*]u8, in_length: usize) i32;
    extern "skerry_i2c" fn transaction(handle: i32, operations: [*]const I2c.Operation, count: usize) i32;
    extern "skerry_i2c" fn close(handle: i32) i32;
};
const serial_abi = struct {
    extern "skerry_serial" fn open(name: [*]const u8, length: usize) i32;
    extern "skerry_serial" fn read(handle: i32, data: [*]u8, capacity: usize) i32;
    extern "skerry_serial" fn write(handle: i32, data: [*]const u8, length: usize, timeout_ms: i32) i32;
    extern "skerry_serial" fn close(handle: i32) i32;
};
const secret_abi = struct {
    extern "skerry_secret" fn get(name: [*]const u8, length: usize, data: [*]u8, capacity: usize) i32;
};
const kv_abi = struct {
    extern "skerry_kv" fn get(key: [*]const u8, key_length: usize, data: [*]u8, capacity: usize) i32;
    extern "skerry_kv" fn set(key: [*]const u8, key_length: usize, data: [*]const u8, length: usize) i32;
    extern "skerry_kv" fn delete(key: [*]const u8, key_length: usize) i32;
    extern "skerry_kv" fn keys(prefix: [*]const u8, prefix_length: usize, data: [*]u8, capacity: usize) i32;
};
const telemetry_abi = struct {
    extern "skerry_telemetry" fn open(stream: [*]const u8, length: usize) i32;
    extern "skerry_telemetry" fn publish(handle: i32, pack: [*]const u8, length: usize) i32;
    extern "skerry_telemetry" fn flush(timeout_ms: i64) i32;
};
const twin_abi = struct {
    extern "skerry_twin" fn get(name: [*]const u8, length: usize, json: [*]u8, capacity: usize) i32;
    extern "skerry_twin" fn report(name: [*]const u8, length: usize, json: [*]const u8, json_length: usize) i32;
};
const log_abi = struct {
    extern "skerry_log" fn write(level: i32, text: [*]const u8, length: usize) i32;
};
