/// The fields of a message as they stand, whatever they hold: for logs and monitors.
#[derive(Clone, Copy)]
pub struct View<'a> {
    #[expect(dead_code, reason = "in work")]
    bytes: &'a [u8],
}
