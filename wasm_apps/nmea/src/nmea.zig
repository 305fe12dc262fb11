//! NMEA 0183: sentences out of a byte stream, and the GGA, RMC and VTG in them.
//! No I/O and no clock: bytes go in at any chunking, sentences come out.

const decimal = @import("skerry").parseDecimal;

/// The standard allows 82 characters; some receivers write a few more.
const sentence_limit = 120;
const fields_limit = 24;
const knot = 1852.0 / 3600.0;

pub const Position = struct { latitude: f64, longitude: f64 };

pub const Gga = struct {
    time: []const u8,
    position: ?Position,
    /// 0 none, 1 GPS, 2 differential, 4 RTK fixed, 5 RTK float.
    quality: u8,
    satellites: u8,
    altitude: ?f64,
};
pub const Rmc = struct { time: []const u8, position: ?Position, speed: ?f64 };
/// Speed in m/s.
pub const Vtg = struct { speed: ?f64 };

pub const Sentence = union(enum) { gga: Gga, rmc: Rmc, vtg: Vtg, other };

/// Cuts a byte stream into sentences and counts those that are damaged.
pub const Reader = struct {
    line: [sentence_limit]u8 = undefined,
    length: usize = 0,
    /// Between the end of a sentence and the next `$`.
    idle: bool = true,
    good: u64 = 0,
    bad: u64 = 0,

    /// Takes one byte; the sentence it completes. Slices in it live until the next call.
    pub fn push(self: *Reader, byte: u8) ?Sentence {
        if (byte == '$') {
            if (!self.idle) self.bad += 1;
            self.idle = false;
            self.length = 0;
            return null;
        }
        if (self.idle) return null;
        if (byte == '\r' or byte == '\n') {
            self.idle = true;
            if (parse(self.line[0..self.length])) |sentence| {
                self.good += 1;
                return sentence;
            }
            self.bad += 1;
            return null;
        }
        if (self.length == sentence_limit) {
            self.idle = true;
            self.bad += 1;
            return null;
        }
        self.line[self.length] = byte;
        self.length += 1;
        return null;
    }
};

/// What stands between `$` and the line's end; null when damaged.
fn parse(line: []const u8) ?Sentence {
    if (line.len < 9 or line[line.len - 3] != '*') return null;
    const body = line[0 .. line.len - 3];
    const stated = hex(line[line.len - 2]) orelse return null;
    const stated_low = hex(line[line.len - 1]) orelse return null;
    var sum: u8 = 0;
    for (body) |byte| sum ^= byte;
    if (sum != stated * 16 + stated_low) return null;

    var fields: [fields_limit][]const u8 = undefined;
    const count = split(body, &fields) orelse return null;
    if (fields[0].len != 5) return .other;
    const kind = fields[0][2..5];
    if (same(kind, "GGA")) return if (count < 11) null else gga(&fields);
    if (same(kind, "RMC")) return if (count < 8) null else rmc(&fields);
    if (same(kind, "VTG")) return if (count < 8) null else vtg(&fields);
    return .other;
}

fn gga(fields: *const [fields_limit][]const u8) ?Sentence {
    const quality = small(fields[6]) orelse return null;
    return .{ .gga = .{
        .time = fields[1],
        .position = if (quality == 0) null else position(fields[2..6]) orelse return null,
        .quality = quality,
        .satellites = if (fields[7].len == 0) 0 else small(fields[7]) orelse return null,
        .altitude = if (fields[9].len == 0) null else decimal(fields[9]) orelse return null,
    } };
}

fn rmc(fields: *const [fields_limit][]const u8) ?Sentence {
    const valid = same(fields[2], "A");
    const knots = if (fields[7].len == 0) null else decimal(fields[7]) orelse return null;
    return .{ .rmc = .{
        .time = fields[1],
        .position = if (valid) position(fields[3..7]) orelse return null else null,
        .speed = if (knots) |speed| speed * knot else null,
    } };
}

fn vtg(fields: *const [fields_limit][]const u8) ?Sentence {
    if (fields[5].len == 0) return .{ .vtg = .{ .speed = null } };
    const knots = decimal(fields[5]) orelse return null;
    return .{ .vtg = .{ .speed = knots * knot } };
}

/// `ddmm.mmmm`, N or S, `dddmm.mmmm`, E or W.
fn position(fields: *const [4][]const u8) ?Position {
    const latitude = angle(fields[0], 2, 90) orelse return null;
    const longitude = angle(fields[2], 3, 180) orelse return null;
    const south = same(fields[1], "S");
    const west = same(fields[3], "W");
    if (!south and !same(fields[1], "N")) return null;
    if (!west and !same(fields[3], "E")) return null;
    return .{
        .latitude = if (south) -latitude else latitude,
        .longitude = if (west) -longitude else longitude,
    };
}

fn angle(text: []const u8, degree_digits: usize, limit: f64) ?f64 {
    if (text.len < degree_digits + 2 or text[0] == '-') return null;
    const degrees = decimal(text[0..degree_digits]) orelse return null;
    const minutes = decimal(text[degree_digits..]) orelse return null;
    if (minutes < 0 or minutes >= 60) return null;
    const total = degrees + minutes / 60;
    return if (total > limit) null else total;
}

fn split(body: []const u8, fields: *[fields_limit][]const u8) ?usize {
    var count: usize = 0;
    var start: usize = 0;
    for (0..body.len + 1) |at| {
        if (at < body.len and body[at] != ',') continue;
        if (count == fields_limit) return null;
        fields[count] = body[start..at];
        count += 1;
        start = at + 1;
    }
    return count;
}

fn small(text: []const u8) ?u8 {
    if (text.len == 0 or text.len > 2) return null;
    var value: u8 = 0;
    for (text) |c| {
        if (c < '0' or c > '9') return null;
        value = value * 10 + (c - '0');
    }
    return value;
}

fn hex(c: u8) ?u8 {
    return switch (c) {
        '0'...'9' => c - '0',
        'A'...'F' => c - 'A' + 10,
        'a'...'f' => c - 'a' + 10,
        else => null,
    };
}

pub fn same(a: []const u8, b: []const u8) bool {
    if (a.len != b.len) return false;
    for (a, b) |x, y| {
        if (x != y) return false;
    }
    return true;
}
