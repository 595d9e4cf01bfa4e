//! What an answer repeats of its request.

/// Members of an answer that repeat what its request said besides its question: who asks,
/// and what for. A stored answer has none of them; each caller is told its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo(Vec<(&'static str, String)>);

impl Echo {
    /// The members and their values as JSON; `None` if there are none.
    pub fn of(members: impl IntoIterator<Item = (&'static str, String)>) -> Option<Self> {
        let members: Vec<_> = members.into_iter().collect();
        (!members.is_empty()).then_some(Self(members))
    }

    /// Whether it has a member.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The value of a member as JSON.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut members = self.0.iter();
        let (_, value) = members.find(|(member, _)| *member == name)?;
        Some(value)
    }
}
