//! Calls of the scripts that stand in files beside this one.

use redis::{Cmd, Script, cmd};

/// A script with what it is called with. The keys are all in one slot.
#[derive(Debug)]
pub(super) struct Call {
    text: &'static str,
    keys: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn new(text: &'static str) -> Self {
        Self {
            text,
            keys: Vec::new(),
            arguments: Vec::new(),
        }
    }

    pub(super) fn key(&mut self, key: impl Into<Vec<u8>>) -> &mut Self {
        self.keys.push(key.into());
        self
    }

    pub(super) fn argument(&mut self, argument: impl Into<Vec<u8>>) -> &mut Self {
        self.arguments.push(argument.into());
        self
    }

    /// The command for a server that has seen the script.
    pub(super) fn by_digest(&self) -> Cmd {
        self.command("EVALSHA", Script::new(self.text).get_hash())
    }

    /// The command for one that has not: it started since, or is another node.
    pub(super) fn by_source(&self) -> Cmd {
        self.command("EVAL", self.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len());
        for part in self.keys.iter().chain(&self.arguments) {
            command.arg(part);
        }
        command
    }
}
