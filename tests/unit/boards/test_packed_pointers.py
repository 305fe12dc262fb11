"""The proof that no 64-bit local holds pointers while garbage could be collected."""

import pytest

from boards.packed_pointers import Finding, findings


def module(body: str, more: str = "") -> str:
    return f"""(module
 (func $gc_collect
  (nop)
 )
 (func $allocate
  (call $gc_collect)
 )
 (func $harmless
  (nop)
 )
{more} (func $f (param $p i32)
  (local $w i64)
  (local $v i64)
  (local $i i32)
  {body}
 )
)"""


LOAD = "(local.set $w (i64.load align=4 (local.get $p)))"
STORE = "(i64.store align=4 (local.get $p) (local.get $w))"


def test_a_pair_that_lives_across_a_collection_is_found():
    text = module(f"{LOAD} (call $allocate) {STORE}")
    assert findings(text) == [Finding("f", "allocate", "$w")]
    assert str(findings(text)[0]) == "f keeps 64-bit local $w while it calls allocate"


@pytest.mark.parametrize(
    "body",
    [
        f"{LOAD} {STORE} (call $allocate)",
        f"(call $allocate) {LOAD} {STORE}",
        f"{LOAD} (call $harmless) {STORE}",
        f"{LOAD} (call $allocate) {LOAD} {STORE}",
        "(local.set $w (i64.load32_u (local.get $p))) (call $allocate) " + STORE,
        "(local.set $w (i64.const 3)) (call $allocate) " + STORE,
        f"{LOAD} (if (local.get $i) (then (call $allocate) (return)) ) {STORE}",
    ],
)
def test_a_pair_that_is_stored_before_or_made_anew_is_not(body: str):
    assert findings(module(body)) == []


@pytest.mark.parametrize(
    "body",
    [
        # Through a copy, through arithmetic, by joining two halves.
        f"{LOAD} (local.set $v (local.get $w)) (call $allocate) (local.set $w (local.get $v)) {STORE}",
        f"{LOAD} (local.set $w (i64.rotl (local.get $w) (i64.const 32))) (call $allocate) {STORE}",
        "(local.set $w (i64.or (i64.extend_i32_u (local.get $p)) (i64.shl "
        f"(i64.extend_i32_u (local.get $i)) (i64.const 32)))) (call $allocate) {STORE}",
        # Around a loop, out of a block, past a branch, through a handler of exceptions.
        f"{LOAD} (loop $again {STORE} (call $allocate) (br_if $again (local.get $i)))",
        f"{LOAD} (block $out (call $allocate) (br_if $out (local.get $i)) (return)) {STORE}",
        f"{LOAD} (if (local.get $i) (then (call $allocate)) (else (nop))) {STORE}",
        f"{LOAD} (try (do (call $allocate) (return)) (catch_all {STORE}))",
        f"{LOAD} (call_indirect (type $t) (local.get $i)) {STORE}",
    ],
)
def test_a_pair_is_followed_wherever_it_goes(body: str):
    assert [finding.function for finding in findings(module(body))] == ["f"]


def test_a_function_that_reaches_the_collector_by_others_counts():
    more = " (func $between\n  (call $allocate)\n )\n"
    assert findings(module(f"{LOAD} (call $between) {STORE}", more)) == [
        Finding("f", "between", "$w")
    ]
