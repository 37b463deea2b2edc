#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::return_address::judge(input);
});
