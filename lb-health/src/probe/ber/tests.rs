use proptest::prelude::*;

use super::{Elements, INTEGER, OCTET_STRING, element};

#[test]
fn lengths_are_as_short_as_can_be() {
    assert_eq!(element(OCTET_STRING, b"ab"), [4, 2, b'a', b'b']);
    assert_eq!(element(4, &[0; 127])[..2], [4, 127]);
    assert_eq!(element(4, &[0; 128])[..3], [4, 0x81, 128]);
    assert_eq!(element(4, &[0; 256])[..4], [4, 0x82, 1, 0]);
}

#[test]
fn what_is_cut_or_indefinite_is_no_element() {
    for bad in
        [&[][..], &[4], &[4, 1], &[4, 0x80, 0, 0], &[4, 0x81], &[4, 0x82, 1], &[4, 0x85, 0, 0, 0, 0, 1, 0]]
    {
        assert_eq!(Elements(bad).next(), None, "{bad:?}");
    }
}

#[test]
fn numbers_are_read_if_they_fit() {
    let number = |digits: &[u8]| Elements(&element(INTEGER, digits)).number(INTEGER);
    assert_eq!(number(&[0]), Some(0));
    assert_eq!(number(&[0x7f, 0xff]), Some(0x7fff));
    for bad in [&[][..], &[0xff], &[0, 1, 2, 3, 4]] {
        assert_eq!(number(bad), None, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn elements_survive_being_written_and_read(tag: u8, contents in prop::collection::vec(any::<u8>(), 0..600)) {
        let bytes = element(tag, &contents);
        let mut elements = Elements(&bytes);
        prop_assert_eq!(elements.next(), Some((tag, &contents[..])));
        prop_assert_eq!(elements.next(), None);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut elements = Elements(&bytes);
        while elements.next().is_some() {}
    }
}
