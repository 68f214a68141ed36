//! Actors: who did it.

/// Who made a commit. Set by the server from the credential; `tool_call` alone is the caller's word.
/// An empty field is unknown or not applicable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Actor {
    /// The name that the token was issued to.
    pub principal: String,
    pub session: String,
    pub agent: String,
    pub tool_call: String,
    pub on_behalf_of: String,
    pub dream: String,
}

impl Actor {
    /// What people call it: the agent where one acts, else the principal.
    pub fn name(&self) -> &str {
        if self.agent.is_empty() { &self.principal } else { &self.agent }
    }
}

/// Which actors a listing is about. An empty field is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActorFilter {
    pub principal: String,
    pub session: String,
    pub agent: String,
    pub dream: String,
}

impl ActorFilter {
    pub fn matches(&self, actor: &Actor) -> bool {
        let holds = |want: &str, have: &str| want.is_empty() || want == have;
        holds(&self.principal, &actor.principal)
            && holds(&self.session, &actor.session)
            && holds(&self.agent, &actor.agent)
            && holds(&self.dream, &actor.dream)
    }
}
