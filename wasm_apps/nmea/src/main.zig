//! Reads a GNSS receiver on a serial line and publishes one pack of readings for each fix.

const skerry = @import("skerry");
const nmea = @import("nmea.zig");

const report_ms = 10_000;

/// What the sentences of one second say together.
const Fix = struct {
    time: [16]u8 = undefined,
    time_length: usize = 0,
    position: ?nmea.Position = null,
    altitude: ?f64 = null,
    speed: ?f64 = null,
    satellites: ?u8 = null,
    quality: ?u8 = null,
    has_gga: bool = false,
    has_rmc: bool = false,
    done: bool = false,

    fn at(self: *const Fix, time: []const u8) bool {
        return nmea.same(self.time[0..self.time_length], time);
    }
};

const Receiver = struct {
    stream: skerry.Stream,
    reader: nmea.Reader = .{},
    fix: Fix = .{},
    interval_ms: i64 = 0,
    published_ms: ?i64 = null,
    reported_ms: ?i64 = null,
    had_fix: bool = false,
    refused: bool = false,

    fn configure(self: *Receiver) void {
        const interval = skerry.twin.number("interval", 1);
        self.interval_ms = @intFromFloat(interval * 1000);
        var buffer: [32]u8 = undefined;
        if (skerry.twin.get("interval", &buffer)) |json| {
            skerry.twin.report("interval", json) catch {};
        } else |_| {}
    }

    fn take(self: *Receiver, sentence: nmea.Sentence) void {
        switch (sentence) {
            .gga => |gga| {
                self.turn(gga.time);
                self.fix.has_gga = true;
                self.fix.position = gga.position orelse self.fix.position;
                self.fix.altitude = gga.altitude;
                self.fix.satellites = gga.satellites;
                self.fix.quality = gga.quality;
            },
            .rmc => |rmc| {
                self.turn(rmc.time);
                self.fix.has_rmc = true;
                self.fix.position = rmc.position orelse self.fix.position;
                self.fix.speed = rmc.speed;
            },
            .vtg => |vtg| self.fix.speed = vtg.speed orelse self.fix.speed,
            .other => {},
        }
        if (self.fix.has_gga and self.fix.has_rmc) self.finish();
    }

    /// Sentences with another time belong to another fix: what was gathered is complete.
    /// A receiver that does not know the time yet leaves it empty every second.
    fn turn(self: *Receiver, time: []const u8) void {
        const unknown = time.len == 0 and self.fix.done;
        if (self.fix.at(time) and !unknown) return;
        self.finish();
        self.fix = .{};
        self.fix.time_length = @min(time.len, self.fix.time.len);
        @memcpy(self.fix.time[0..self.fix.time_length], time[0..self.fix.time_length]);
    }

    fn finish(self: *Receiver) void {
        if (self.fix.done or !(self.fix.has_gga or self.fix.has_rmc)) return;
        self.fix.done = true;
        const has_fix = self.fix.position != null;
        if (has_fix != self.had_fix) {
            skerry.log(.info, if (has_fix) "position is known" else "position is lost");
        }
        self.had_fix = has_fix;
        const now = milliseconds();
        if (self.published_ms) |last| {
            if (now - last < self.interval_ms) return;
        }
        if (self.publish()) |_| {
            self.published_ms = now;
            self.refused = false;
        } else |_| {
            if (!self.refused) skerry.log(.warning, "cannot publish, dropping fixes");
            self.refused = true;
        }
    }

    fn publish(self: *Receiver) skerry.Error!usize {
        var buffer: [192]u8 = undefined;
        var pack = skerry.Senml.in(&buffer);
        if (self.fix.position) |position| {
            pack.number("latitude", "lat", position.latitude);
            pack.number("longitude", "lon", position.longitude);
            if (self.fix.altitude) |altitude| pack.number("altitude", "m", altitude);
            if (self.fix.speed) |speed| pack.number("speed", "m/s", speed);
        }
        if (self.fix.satellites) |count| pack.number("satellites", "count", @floatFromInt(count));
        if (self.fix.quality) |quality| pack.number("quality", "", @floatFromInt(quality));
        pack.boolean("fix", self.fix.position != null);
        return self.stream.publish(&pack);
    }

    fn reportSometimes(self: *Receiver) void {
        const now = milliseconds();
        if (self.reported_ms) |last| {
            if (now - last < report_ms) return;
        }
        self.reported_ms = now;
        self.report();
    }

    /// Tells the cloud how clean the line is.
    fn report(self: *const Receiver) void {
        skerry.twin.reportInteger("sentences", self.reader.good) catch {};
        skerry.twin.reportInteger("bad-sentences", self.reader.bad) catch {};
    }

    fn drain(self: *Receiver, port: skerry.Serial) skerry.Error!void {
        var buffer: [512]u8 = undefined;
        while (true) {
            const bytes = try port.read(&buffer);
            if (bytes.len == 0) break;
            for (bytes) |byte| {
                if (self.reader.push(byte)) |sentence| self.take(sentence);
            }
            if (bytes.len < buffer.len) break;
        }
        self.reportSometimes();
    }
};

fn milliseconds() i64 {
    return @divTrunc(skerry.monotonicNs(), 1_000_000);
}

pub fn main() u8 {
    const port = skerry.Serial.open("gps") catch {
        skerry.log(.err, "cannot open grant gps");
        return 1;
    };
    const stream = skerry.Stream.open("gps") catch {
        skerry.log(.err, "the manifest has no stream gps");
        return 1;
    };
    var receiver = Receiver{ .stream = stream };
    receiver.configure();
    while (true) {
        switch (skerry.wait(-1).type) {
            .stop => {
                receiver.report();
                return 0;
            },
            .twin => receiver.configure(),
            .serial_readable => receiver.drain(port) catch {},
            .serial_closed => {
                skerry.log(.err, "the receiver is gone");
                return 1;
            },
            else => {},
        }
    }
}
