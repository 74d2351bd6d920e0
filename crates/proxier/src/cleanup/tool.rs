//! EDGE: removes leftovers of one family with the iptables tools.

use std::collections::BTreeSet;

use super::{Mode, absence};
use crate::chain::{ChainName, Table};
use crate::iptables::{Iptables, text};
use crate::jump::Jump;
use crate::tables::{Tables, TablesError};

/// How many equal jumps are removed; somebody who keeps adding them must not keep us busy for ever.
const MOST_COPIES: usize = 8;

impl Iptables {
    /// Removes the rules that kube-proxy left behind in a mode. What cannot be removed is reported;
    /// everything else goes all the same. Nothing to remove is no error.
    pub fn clean_up(&mut self, mode: Mode) -> Vec<TablesError> {
        let jumps = mode.jumps();
        let mut errors: Vec<_> = jumps.iter().filter_map(|jump| self.delete_jump(jump).err()).collect();
        for table in [Table::Nat, Table::Filter] {
            errors.extend(self.delete_chains(mode, table).err());
        }
        if mode == Mode::Iptables {
            // Only the canary lived there; a kernel without a mangle table has lost nothing.
            let _ignored = self.run(Table::Mangle, &format!("-X {}", ChainName::KUBE_PROXY_CANARY));
        }
        errors
    }

    /// Deletes every copy of a jump.
    fn delete_jump(&self, jump: &Jump) -> Result<(), TablesError> {
        let delete = format!("-D {}{}", jump.from, text(&jump.rule));
        for _ in 0..MOST_COPIES {
            let output = self.run(jump.table, &delete)?;
            if output.status.success() {
                continue;
            }
            if absence::is_told_by(&String::from_utf8_lossy(&output.stderr)) {
                break;
            }
            return Err(self.refused(&delete, &output));
        }
        Ok(())
    }

    fn delete_chains(&mut self, mode: Mode, table: Table) -> Result<(), TablesError> {
        let existing = self.chains(table)?;
        let input = mode.deletion(table, &existing, self.layout());
        if input.is_empty() { Ok(()) } else { self.restore(&input) }
    }

    fn chains(&self, table: Table) -> Result<BTreeSet<ChainName>, TablesError> {
        let (_, save) = self.save(table)?;
        let names = save.lines().filter_map(|line| line.strip_prefix(':')?.split(' ').next());
        Ok(names.map(ChainName::parse).collect())
    }
}
