//! EDGE: removes leftovers of one family with the iptables tools.

use std::io::Read;

use super::{Mode, removal};
use crate::chain::{ChainName, Table};
use crate::iptables::Iptables;
use crate::tables::{Tables, TablesError};

impl Iptables {
    /// Removes the rules that kube-proxy left behind in these modes, which share chains. What cannot
    /// be removed is reported; everything else goes all the same. Nothing to remove is no error.
    pub fn clean_up(&mut self, modes: &[Mode]) -> Vec<TablesError> {
        let mut errors = Vec::new();
        for table in [Table::Nat, Table::Filter] {
            errors.extend(self.remove(modes, table).err());
        }
        // Only the canary lived there; a kernel without a mangle table has lost nothing.
        let _ignored = self.run(Table::Mangle, &format!("-X {}", ChainName::KUBE_PROXY_CANARY));
        errors
    }

    fn remove(&mut self, modes: &[Mode], table: Table) -> Result<(), TablesError> {
        let (command, mut save) = self.save(table)?;
        let mut text = String::new();
        save.read_to_string(&mut text)
            .map_err(|source| TablesError::Unreadable { command, source: source.into() })?;
        let input = removal(modes, table, &text, self.layout());
        if input.is_empty() { Ok(()) } else { self.restore(&input) }
    }
}
