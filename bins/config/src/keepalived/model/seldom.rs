use std::ops::{Deref, DerefMut};

/// A part of an instance that few files say anything about: it takes no room as long as it is the default, since there are
/// thousands of instances. It is used as if it were the part itself.
#[derive(Clone, Debug)]
pub struct Seldom<T>(Option<Box<T>>);

/// What can be [`Seldom`] anything but its default.
pub trait Usual: Clone + Eq + Sized + 'static {
    /// The default.
    const USUAL: &'static Self;
}

impl<T> Seldom<T> {
    /// To be changed only where something is said.
    pub fn said_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }
}

impl<T: Usual> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Usual> From<T> for Seldom<T> {
    fn from(part: T) -> Self {
        Self((part != *T::USUAL).then(|| Box::new(part)))
    }
}

impl<T: Usual> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::USUAL)
    }
}

impl<T: Usual> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::USUAL.clone()))
    }
}

impl<T: Usual> PartialEq for Seldom<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Usual> Eq for Seldom<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keepalived::model::{Garp, Instance, Notify, Tracks};

    /// A field that few files give belongs into a [`Seldom`], or a box.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_instance_of_thousands_is_small() {
        assert!(size_of::<Instance>() <= 352, "{} bytes", size_of::<Instance>());
    }

    #[test]
    fn the_default_takes_no_room_and_is_the_default_all_the_same() {
        assert_eq!(size_of::<Seldom<Notify>>(), size_of::<usize>());
        assert!(Seldom::from(Notify::default()).0.is_none());
        assert_eq!(*Seldom::<Notify>::default(), Notify::default());
        assert_eq!(*Seldom::<Tracks>::default(), Tracks::default());
        assert_eq!(*Seldom::<Garp>::default(), Garp::default());
    }

    #[test]
    fn what_is_said_counts_and_not_how_it_is_kept() {
        let mut one = Seldom::from(Notify { mail: true, ..Notify::default() });
        assert!(one.mail);
        assert_ne!(one, Seldom::default());
        one.mail = false;
        assert_eq!(one, Seldom::default());
        let mut two = Seldom::from(Garp::default());
        two.repeat = 7;
        assert_eq!(*two, Garp { repeat: 7, ..Garp::default() });
    }
}
