//! Answers already given. Logs repeat: nine questions in ten were asked before.

use rustc_hash::FxHashMap;

use super::Question;

/// What the model said to a question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::core) struct Answer {
    /// 1 is the most probable key.
    pub(in crate::core) rank: u32,
    /// ln of the probability.
    pub(in crate::core) log_probability: f32,
}

/// A bounded map in two generations: when the young one is full it becomes the old one, and what
/// was not asked for since is forgotten.
#[derive(Debug, Default)]
pub(super) struct Memo {
    young: FxHashMap<Question, Answer>,
    old: FxHashMap<Question, Answer>,
}

impl Memo {
    /// Most answers in one generation; with about 40 bytes each, a model's memo stays below
    /// 8 MB.
    pub(super) const GENERATION_LEN_MAX: usize = 65_536;

    pub(super) fn get(&mut self, question: &Question) -> Option<Answer> {
        if let Some(answer) = self.young.get(question) {
            return Some(*answer);
        }
        let answer = *self.old.get(question)?;
        self.put(*question, answer);
        Some(answer)
    }

    pub(super) fn put(&mut self, question: Question, answer: Answer) {
        if self.young.len() >= Self::GENERATION_LEN_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(question, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Key, WINDOW_LEN};

    fn question(number: usize) -> Question {
        let key = |shift: usize| Key(((number >> shift) & 0x3ff) as u16);
        let mut window = [Key::BEGIN; WINDOW_LEN];
        window[0] = key(10);
        Question {
            window,
            came: key(0),
        }
    }

    #[test]
    fn a_flood_of_new_questions_does_not_grow_the_memo_or_push_out_what_is_in_use() {
        let mut memo = Memo::default();
        let used = Answer {
            rank: 7,
            log_probability: -1.0,
        };
        memo.put(question(0), used);
        for number in 1..5 * Memo::GENERATION_LEN_MAX {
            memo.put(
                question(number),
                Answer {
                    rank: 1,
                    log_probability: 0.0,
                },
            );
            if number % 1_000 == 0 {
                assert_eq!(memo.get(&question(0)), Some(used));
            }
            assert!(memo.young.len() + memo.old.len() <= 2 * Memo::GENERATION_LEN_MAX);
        }
        assert_eq!(memo.get(&question(1)), None);
    }
}
