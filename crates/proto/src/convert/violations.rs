//! Every wrong field of a request at once, so that a caller mends it in one go.

use domain::error::Violation;
use domain::{Error, Kind, Result};

/// Gathers what is wrong while a request is converted.
#[derive(Debug, Default)]
pub struct Violations {
    fields: Vec<Violation>,
    /// An error that is not about a field.
    other: Option<Error>,
}

impl Violations {
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.fields.push(Violation { field: field.into(), description: description.into() });
    }

    /// The value, or None and what was wrong is kept.
    pub fn take<T>(&mut self, converted: Result<T>) -> Option<T> {
        match converted {
            Ok(value) => Some(value),
            Err(e) if e.kind() == Kind::Invalid => {
                self.fields.extend(e.details().violations.iter().cloned());
                None
            }
            Err(e) => {
                self.other.get_or_insert(e);
                None
            }
        }
    }

    /// `value` if nothing was wrong. It must be Some then.
    pub fn finish<T>(self, value: Option<T>) -> Result<T> {
        match (self.other, value) {
            (Some(other), _) => Err(other),
            (None, Some(value)) if self.fields.is_empty() => Ok(value),
            (None, _) if self.fields.is_empty() => {
                Err(Error::internal("a conversion gave neither a value nor a violation"))
            }
            (None, _) => Err(Error::violations(self.fields)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_wrong_fields_are_named() {
        let mut violations = Violations::default();
        violations.add("a", "is wrong");
        let b: Option<u8> = violations.take(Err(Error::invalid("b", "too")));
        let error = violations.finish(b).unwrap_err();
        assert_eq!(error.message(), "a: is wrong; b: too");
    }

    #[test]
    fn a_value_comes_through_only_where_nothing_is_wrong() {
        assert_eq!(Violations::default().finish(Some(1)).unwrap(), 1);
        let mut violations = Violations::default();
        violations.add("a", "is wrong");
        assert_eq!(violations.finish(Some(1)).unwrap_err().kind(), Kind::Invalid);
    }
}
