//! What the compiler says to those who wire it wrongly.

#[test]
fn wrong_wirings_do_not_compile_and_say_why() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
