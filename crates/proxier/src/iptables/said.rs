//! EDGE: listens to a tool until it ends, and keeps how it began and how it ended, however much lies in between.
//!
//! Knows nothing of what the words mean.

use std::io::{self, Read};
use std::process::{Child, Command, Output, Stdio};

use super::child::NoOutput;

/// How much is kept of the beginning, and as much of the end, in bytes.
const KEPT: usize = 64 << 10;
/// Who prints more than this, in bytes, is killed. With nf_tables, a line for each of 100,000 rules takes 20 megabytes.
pub(super) const MOST: usize = 64 << 20;
/// How much is read at once, in bytes.
const PIECE: usize = 16 << 10;

/// What a command prints, without its complaints.
///
/// # Errors
/// It cannot be started, or prints without end.
pub(crate) fn answer(command: &mut Command) -> Result<Output, NoOutput> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let words = child.stdout.take().expect("standard output is piped");
    until_end(child, words)
}

/// All that a command says, in the order in which it says it. It passes for its standard output. `announce` hears of
/// the process as soon as there is one.
///
/// # Errors
/// It cannot be started, or talks without end.
pub(crate) fn everything(mut command: Command, announce: impl FnOnce(u32)) -> Result<Output, NoOutput> {
    let (words, end) = io::pipe()?;
    let child = command.stdout(end.try_clone()?).stderr(end).spawn()?;
    // It holds that end of the pipe open.
    drop(command);
    announce(child.id());
    until_end(child, words)
}

/// Listens to a child that has been started. What it says passes for its standard output.
///
/// # Errors
/// It talks without end, and was killed for it.
pub(super) fn until_end(mut child: Child, words: impl Read) -> Result<Output, NoOutput> {
    let mut said = Said::default();
    if let Err(why) = said.listen(words) {
        child.kill()?;
        child.wait()?;
        return Err(why);
    }
    Ok(Output { status: child.wait()?, stdout: said.text(), stderr: Vec::new() })
}

/// What was said so far.
#[derive(Default)]
struct Said {
    head: Vec<u8>,
    /// The end, and perhaps something before it.
    tail: Vec<u8>,
    length: usize,
}

impl Said {
    fn listen(&mut self, mut words: impl Read) -> Result<(), NoOutput> {
        let mut piece = vec![0; PIECE];
        loop {
            match words.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) => self.take(&piece[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
            if self.length > MOST {
                return Err(NoOutput::Stopped);
            }
        }
    }

    fn take(&mut self, piece: &[u8]) {
        self.length += piece.len();
        let room = KEPT - self.head.len();
        let (first, rest) = piece.split_at(room.min(piece.len()));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(rest);
        if self.tail.len() > 2 * KEPT {
            self.tail.drain(..self.tail.len() - KEPT);
        }
    }

    /// All of it, or its first and its last lines. None of them is cut: it could name another line of the input then.
    fn text(mut self) -> Vec<u8> {
        self.tail.drain(..self.tail.len().saturating_sub(KEPT));
        if self.length > self.head.len() + self.tail.len() {
            let is_end = |byte: &u8| *byte == b'\n';
            self.head.truncate(self.head.iter().rposition(is_end).map_or(0, |end| end + 1));
            self.tail.drain(..self.tail.iter().position(is_end).map_or(self.tail.len(), |end| end + 1));
            let left_out = self.length - self.head.len() - self.tail.len();
            self.head.extend_from_slice(format!("({left_out} bytes)\n").as_bytes());
        }
        [self.head, self.tail].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &mut Command) -> String {
        let output = answer(command).unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn what_is_short_is_kept() {
        assert_eq!(words(Command::new("seq").arg("3")), "1\n2\n3\n");
        assert_eq!(words(Command::new("printf").arg("no end of a line")), "no end of a line");
        assert_eq!(words(&mut Command::new("true")), "");
    }

    #[test]
    fn of_a_long_text_the_first_and_the_last_lines_are_kept() {
        let text = words(Command::new("seq").arg("1000000"));
        assert!(text.len() <= 2 * KEPT + 100, "{}", text.len());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines[0], lines[lines.len() - 1]), ("1", "1000000"));
        let gap = lines.iter().position(|line| line.ends_with("bytes)")).unwrap();
        let numbers = |lines: &[&str]| lines.iter().map(|line| line.parse().unwrap()).collect::<Vec<u32>>();
        let (first, last) = (numbers(&lines[..gap]), numbers(&lines[gap + 1..]));
        assert!(first.windows(2).chain(last.windows(2)).all(|pair| pair[0] + 1 == pair[1]), "no line is cut");
        let bytes: usize = (first.len() as u32 + 1..last[0]).map(|number| number.to_string().len() + 1).sum();
        assert_eq!(lines[gap], format!("({bytes} bytes)"));
    }

    #[test]
    fn both_voices_are_heard_in_turn() {
        let mut talker = Command::new("sh");
        talker.args(["-c", "echo 1; echo 2 >&2; echo 3; exit 4"]);
        let mut process = 0;
        let output = everything(talker, |id| process = id).unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.code()), (b"1\n2\n3\n".as_slice(), Some(4)));
        assert_ne!(process, 0);
    }

    /// Whatever it prints on, and whether it is lines or not.
    #[test]
    fn whoever_talks_without_end_is_killed() {
        let yes = || Command::new("yes");
        let zeros = || {
            let mut cat = Command::new("cat");
            cat.arg("/dev/zero");
            cat
        };
        for flood in [yes(), zeros()] {
            let mut process = 0;
            let stopped = everything(flood, |id| process = id);
            assert!(matches!(stopped, Err(NoOutput::Stopped)), "{stopped:?}");
            assert!(!std::path::Path::new(&format!("/proc/{process}")).exists(), "it is gone");
        }
        assert!(matches!(answer(&mut yes()), Err(NoOutput::Stopped)));
    }
}
