//! Stands in for the kernel and its tools: applies what iptables-restore is fed to tables in memory.
//!
//! Knows nothing of packets, and of the jumps from built-in chains only that they exist.

use std::collections::{BTreeMap, BTreeSet};

use proxier::chain::{ChainName, Table};
use proxier::jump::jumps;
use proxier::parse::{Chain, Command, Save, SavedRule, commands};
use proxier::rule::Target;
use proxier::ruleset::Ruleset;
use proxier::tables::{CANARY_TABLES, Tables, TablesError};

type Chains = BTreeMap<ChainName, Chain>;

/// The tables, and what was last fed to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kernel {
    pub(crate) tables: Save,
    pub(crate) input: String,
}

impl Kernel {
    /// Tables that hold nothing but a ruleset.
    pub(crate) fn holding(ruleset: &Ruleset) -> Self {
        let mut kernel = Self::default();
        kernel.ensure_jumps().unwrap();
        kernel.restore(&ruleset.restore_input()).unwrap();
        kernel
    }

    pub(crate) fn chains(&mut self, table: Table) -> &mut Chains {
        self.tables.tables.entry(table).or_default()
    }

    /// The chains of one table as text, for comparison.
    fn apply(&mut self, command: Command, open: &mut Option<(Table, Chains)>) -> Result<(), String> {
        match (command, open) {
            (Command::Table(table), open) => *open = Some((table, self.chains(table).clone())),
            (Command::Commit, open) => {
                let (table, chains) = open.take().expect("the text was read in order");
                check_jumps(&chains)?;
                *self.chains(table) = chains;
            }
            (command, Some((_, chains))) => change(chains, command)?,
            (_, None) => unreachable!("the text was read in order"),
        }
        Ok(())
    }
}

fn change(chains: &mut Chains, command: Command) -> Result<(), String> {
    match command {
        Command::Chain { chain, policy } => {
            chains.insert(chain, Chain { policy, rules: Vec::new() });
        }
        Command::Append { chain, rule } => existing(chains, &chain)?.rules.push(rule),
        Command::Insert { chain, position, rule } => {
            let rules = &mut existing(chains, &chain)?.rules;
            let index = position.get() - 1;
            if index > rules.len() {
                return Err(format!("{chain} has no rule {position}"));
            }
            rules.insert(index, rule);
        }
        Command::Delete { chain, rule } => {
            let rules = &mut existing(chains, &chain)?.rules;
            let index = rules.iter().position(|other| *other == rule);
            rules.remove(index.ok_or_else(|| format!("{chain} has no such rule: {rule:?}"))?);
        }
        Command::Flush(chain) => existing(chains, &chain)?.rules.clear(),
        Command::DeleteChain(chain) => {
            if !existing(chains, &chain)?.rules.is_empty() {
                return Err(format!("{chain} is not empty"));
            }
            chains.remove(&chain);
        }
        Command::Table(_) | Command::Commit => unreachable!("these concern no single chain"),
    }
    Ok(())
}

fn existing<'a>(chains: &'a mut Chains, chain: &ChainName) -> Result<&'a mut Chain, String> {
    chains.get_mut(chain).ok_or_else(|| format!("there is no chain {chain}"))
}

/// A chain that something jumps to cannot go, nor be missing.
fn check_jumps(chains: &Chains) -> Result<(), String> {
    let rules = chains.values().flat_map(|chain| &chain.rules).filter_map(SavedRule::known);
    for rule in rules {
        if let Some(Target::Jump(to)) = &rule.target
            && !chains.contains_key(to)
        {
            return Err(format!("something jumps to {to}, which is not there"));
        }
    }
    Ok(())
}

impl Tables for Kernel {
    fn ensure_jumps(&mut self) -> Result<(), TablesError> {
        for jump in jumps() {
            let chains = self.chains(jump.table);
            chains.entry(jump.to).or_default();
            let rules = &mut chains.entry(jump.from).or_default().rules;
            let rule = SavedRule::Known(jump.rule.normal());
            if !rules.contains(&rule) {
                rules.insert(0, rule);
            }
        }
        Ok(())
    }

    fn nat_chains(&mut self) -> Result<BTreeSet<ChainName>, TablesError> {
        Ok(self.chains(Table::Nat).keys().cloned().collect())
    }

    fn restore(&mut self, input: &[u8]) -> Result<(), TablesError> {
        self.input = String::from_utf8(input.to_vec()).unwrap();
        let input = self.input.clone();
        let mut open = None;
        let mut commands = commands(&input);
        while let Some(command) = commands.next() {
            let command = command.unwrap_or_else(|error| panic!("{error}\n{input}"));
            if let Err(text) = self.apply(command, &mut open) {
                let text = format!("line {}: {text}", commands.line());
                return Err(TablesError::Refused { command: "restore".into(), text, context: String::new() });
            }
        }
        Ok(())
    }

    fn ensure_canary(&mut self) -> Result<(), TablesError> {
        for table in CANARY_TABLES {
            self.chains(table).entry(ChainName::KUBE_PROXY_CANARY).or_default();
        }
        Ok(())
    }

    fn has_canary(&mut self) -> Result<bool, TablesError> {
        Ok(CANARY_TABLES.iter().all(|table| self.chains(*table).contains_key(&ChainName::KUBE_PROXY_CANARY)))
    }
}

/// Chains and rules of a table are the same whichever way they came about.
pub(crate) fn assert_same(found: &Kernel, expected: &Kernel) {
    for (table, chains) in &expected.tables.tables {
        let found = &found.tables.tables[table];
        let names = |chains: &Chains| chains.keys().map(ChainName::to_string).collect::<Vec<_>>();
        assert_eq!(names(found), names(chains), "{table}");
        for (name, chain) in chains {
            assert_eq!(found[name], *chain, "{table} {name}");
        }
    }
}
