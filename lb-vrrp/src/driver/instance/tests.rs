use super::{
    super::{members::Member, notice::Notice},
    *,
};
use crate::{ConfigBuilder, VirtualRouter, Vrid};

fn instance(config: ConfigBuilder) -> Instance {
    Instance::new("test", "eth0", config.build().unwrap())
}

fn config() -> ConfigBuilder {
    Config::v2(Vrid::new(51).unwrap(), ["192.0.2.1".parse().unwrap()])
}

#[test]
fn a_key_and_header_authentication_go_together() {
    let mut sealed = instance(config().auth_header());
    let mut open = instance(config());
    assert_eq!(open.check(), Ok(()));
    let error = sealed.check().unwrap_err();
    assert_eq!(error, InstanceError::Key("test".to_owned()));
    for word in ["\"test\"", "`auth_header`", "key"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    for instance in [&mut sealed, &mut open] {
        instance.key = Some(Key::new(b"secret"));
    }
    assert_eq!(sealed.check(), Ok(()));
    assert_eq!(open.check(), Err(InstanceError::Key("test".to_owned())));
}

/// There are thousands of each, or all at once.
#[test]
#[cfg(target_pointer_width = "64")]
fn what_there_are_thousands_of_is_small() {
    let sizes = [size_of::<Member>(), size_of::<VirtualRouter>(), size_of::<Notice>()];
    assert!(sizes[0] <= 336 && sizes[1] <= 672 && sizes[2] <= 88, "{sizes:?} bytes");
}
