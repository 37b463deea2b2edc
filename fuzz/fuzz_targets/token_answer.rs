#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    oracles::token_answer::judge(input);
});
