//! What people wrote down, in the table of one stream.

use std::sync::Arc;

use super::table::{Origin, Slot, id_of};
use super::{Change, Miner, OVERFLOW};
use crate::core::parse::hand::{Hand, HandTemplate};

impl Miner {
    /// Goes by `hand` from now on. Templates and counts stay as they are; those that are no longer
    /// in the file give way like others when there is no room.
    pub fn set_hand(&mut self, hand: &Arc<Hand>) {
        if self.hand.is_empty() && hand.is_empty() {
            return;
        }
        for template in self
            .hand
            .templates()
            .iter()
            .filter(|template| template.is_pinned)
        {
            for text in template.texts() {
                if let Some(slot) = self.table.slot_of(id_of(text)) {
                    self.table.set_origin(slot, Origin::Recalled);
                }
            }
        }
        for seed in self.hand.seeds() {
            if let Some(slot) = self.table.slot_of(id_of(seed)) {
                self.table.set_origin(slot, Origin::Recalled);
            }
        }
        self.hand = Arc::clone(hand);
        self.splits.clear();
        // What was remembered of forms may be wrong now.
        self.cache.clear();
        for seed in hand.seeds() {
            self.seed(seed);
            // One that was learned already stays as it is from now on, too.
            if let Some(slot) = self.table.slot_of(id_of(seed)) {
                self.table.set_origin(slot, Origin::Given);
            }
        }
    }

    /// What it goes by.
    pub fn hand(&self) -> &Hand {
        &self.hand
    }

    /// The slot of the template `index` of the file. There is one for each, so that they need no
    /// leave of the quarantine.
    pub(super) fn by_hand(&mut self, template: &HandTemplate, index: usize) -> Slot {
        let slot = self.given(&template.text, template.is_pinned);
        if template.split.is_some() && slot != OVERFLOW {
            self.splits.insert(slot, (self.table.version(slot), index));
        }
        slot
    }

    /// The slot for this record of a template in `slot`, which may be split by one of the values
    /// just found.
    pub(super) fn split(&mut self, slot: Slot, message: &[u8]) -> Slot {
        let Some(&(version, index)) = self.splits.get(&slot) else {
            return slot;
        };
        if version != self.table.version(slot) {
            return slot;
        }
        let hand = Arc::clone(&self.hand);
        let template = hand.templates().get(index);
        let chosen = template.and_then(|template| {
            let split = template.split.as_ref()?;
            let param = self.params.get(split.at)?;
            let value = message.get(param.start as usize..param.end as usize)?;
            Some((split.choose(value)?, template.is_pinned))
        });
        chosen.map_or(slot, |(text, is_pinned)| self.given(text, is_pinned))
    }

    /// The slot of a text that stays as it is, and never gives way if it is pinned.
    fn given(&mut self, text: &str, is_pinned: bool) -> Slot {
        let known = self.table.slot_of(id_of(text));
        let slot = match known {
            Some(slot) => slot,
            None if self.make_room().is_none() => return OVERFLOW,
            None => {
                let slot = self.table.insert(text, self.records);
                self.know(text, slot);
                self.tell(Change::New(id_of(text)));
                slot
            }
        };
        let origin = if is_pinned {
            Origin::Given
        } else {
            Origin::Recalled
        };
        if self.table.origin(slot) == Origin::Learned || is_pinned {
            self.table.set_origin(slot, origin);
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::parse::hand::{HandSpec, MaskSpec, SplitSpec, TemplateSpec};
    use crate::core::parse::miner::Limits;
    use crate::core::parse::param::ParamKind;
    use crate::core::record::Timestamp;

    const T: Timestamp = Timestamp::from_nanos(1);

    fn template(text: &str) -> TemplateSpec {
        TemplateSpec {
            text: text.to_owned(),
            ..TemplateSpec::default()
        }
    }

    fn hand(templates: Vec<TemplateSpec>) -> Arc<Hand> {
        Arc::new(
            Hand::parse(&HandSpec {
                templates,
                ..HandSpec::default()
            })
            .unwrap(),
        )
    }

    fn with(hand: &Arc<Hand>, limits: Limits) -> Miner {
        let mut miner = Miner::new(limits);
        miner.set_hand(hand);
        miner
    }

    /// The text of the template that takes `line`, and its values.
    fn tell<'a>(miner: &mut Miner, line: &'a str) -> (String, Vec<&'a str>) {
        let id = miner.parse(line, T).id;
        let text = miner
            .resolve(id)
            .map_or("<overflow>", |template| &template.text);
        let value =
            |param: &crate::core::parse::Param| &line[param.start as usize..param.end as usize];
        (text.to_owned(), miner.params().iter().map(value).collect())
    }

    fn counted(miner: &Miner) -> u64 {
        miner
            .templates()
            .map(|template| template.count)
            .sum::<u64>()
            + miner.overflow()
    }

    #[test]
    fn a_new_file_holds_from_the_next_line_on_and_an_old_one_no_longer() {
        let mut miner = Miner::default();
        let line = "gate red opened by 17";
        let (learned, _) = tell(&mut miner, line);
        assert_eq!(tell(&mut miner, line).0, learned, "it is remembered now");
        miner.set_hand(&hand(vec![template("gate <*> opened <**>")]));
        for _ in 0..2 {
            let (text, values) = tell(&mut miner, line);
            assert_eq!(
                (text.as_str(), values),
                ("gate <*> opened <**>", vec!["red", "by 17"])
            );
        }
        miner.set_hand(&Arc::default());
        assert_eq!(tell(&mut miner, line).0, learned);
        assert_eq!((miner.records(), counted(&miner)), (5, 5));
    }

    #[test]
    fn a_template_by_hand_is_never_widened_or_merged() {
        let mut miner = with(&hand(vec![template("walk to oslo now")]), Limits::default());
        let towns = [
            "oslo", "bonn", "rome", "kyiv", "lima", "riga", "bern", "cork", "oslo",
        ];
        for town in towns {
            tell(&mut miner, &format!("walk to {town} now"));
        }
        miner.settle();
        assert_eq!(tell(&mut miner, "walk to oslo now").0, "walk to oslo now");
        assert_eq!(tell(&mut miner, "walk to rome now").0, "walk to <*> now");
        assert_eq!(counted(&miner), 11);
    }

    #[test]
    fn a_split_looks_at_every_line_of_its_template() {
        let spec = TemplateSpec {
            split: Some(SplitSpec {
                at: 2,
                values: vec!["404".into(), "500".into()],
            }),
            ..template("<*> answered <*>")
        };
        let mut miner = with(&hand(vec![spec]), Limits::default());
        for _ in 0..3 {
            for (line, expected) in [
                ("peer answered 200", "<*> answered <*>"),
                ("peer answered 404", "<*> answered 404"),
                ("peer answered 500", "<*> answered 500"),
                ("peer answered 4040", "<*> answered <*>"),
            ] {
                assert_eq!(tell(&mut miner, line).0, expected);
            }
        }
        assert_eq!((miner.templates().count(), counted(&miner)), (3, 12));
    }

    #[test]
    fn what_is_pinned_never_gives_way() {
        let pinned = TemplateSpec {
            pin: true,
            ..template("pinned <*>")
        };
        let limits = Limits {
            templates_max: 8,
            ..Limits::default()
        };
        let mut miner = with(&hand(vec![pinned, template("loose <*>")]), limits);
        tell(&mut miner, "loose one");
        tell(&mut miner, "pinned one");
        let letters = |n: u8| {
            char::from(b'a' + n % 26)
                .to_string()
                .repeat(usize::from(n) + 2)
        };
        for number in 0..60 {
            tell(
                &mut miner,
                &format!("{} {}", letters(number), letters(number / 2)),
            );
        }
        let texts: Vec<&str> = miner.templates().map(|template| &*template.text).collect();
        assert!(
            texts.contains(&"pinned <*>") && !texts.contains(&"loose <*>"),
            "{texts:?}"
        );
        assert_eq!(
            tell(&mut miner, "loose two").0,
            "loose <*>",
            "it comes back with its id"
        );
        assert_eq!(counted(&miner), miner.records());
    }

    #[test]
    fn nothing_is_born_while_frozen_and_all_is_counted() {
        let frozen = Arc::new(
            Hand::parse(&HandSpec {
                templates: vec![template("known <*>")],
                seeds: vec!["seed <*> here".to_owned()],
                freeze: true,
                ..HandSpec::default()
            })
            .unwrap(),
        );
        let mut miner = Miner::default();
        for town in ["oslo", "bonn", "rome"] {
            tell(&mut miner, &format!("sail to {town}"));
        }
        miner.set_hand(&frozen);
        let before: Vec<String> = miner.templates().map(|t| t.text.to_string()).collect();
        for line in ["sail to lima", "sail to bern", "sail to cork", "new thing"] {
            assert_eq!(tell(&mut miner, line).0, "<overflow>", "{line}");
        }
        for line in ["sail to oslo", "known one", "seed it here"] {
            assert_ne!(tell(&mut miner, line).0, "<overflow>", "{line}");
        }
        miner.settle();
        let after: Vec<String> = miner.templates().map(|t| t.text.to_string()).collect();
        assert_eq!(after[..before.len()], before, "nothing was widened");
        assert_eq!(counted(&miner), miner.records());
        miner.set_hand(&Arc::default());
        assert_eq!(tell(&mut miner, "new thing").0, "new thing", "it thaws");
    }

    #[test]
    fn values_are_found_in_the_message_behind_what_a_mask_took_out() {
        let masks = vec![MaskSpec {
            pattern: "ticket ([A-Z]+-\\d+ [a-z]+)".to_owned(),
            kind: ParamKind::Identifier,
        }];
        let hand = Hand::parse(&HandSpec {
            masks,
            ..HandSpec::default()
        });
        let mut miner = with(&Arc::new(hand.unwrap()), Limits::default());
        for (line, ticket, count) in [
            ("ticket AB-12 blue has 3 notes", "AB-12 blue", "3"),
            ("ticket AB-7 blue has 12345 notes", "AB-7 blue", "12345"),
            ("ticket CDE-7 red has 12345 notes", "CDE-7 red", "12345"),
        ] {
            let (text, values) = tell(&mut miner, line);
            assert_eq!(
                (text.as_str(), values),
                ("ticket <*> has <*> notes", vec![ticket, count])
            );
            assert_eq!(miner.params()[0].kind, ParamKind::Identifier);
        }
    }

    #[test]
    fn a_restored_miner_goes_by_the_file_again() {
        let hand = hand(vec![template("gate <*> opened")]);
        let mut miner = with(&hand, Limits::default());
        let id = miner.parse("gate red opened", T).id;
        let mut again = Miner::restore([miner.snapshot()], Limits::default()).0;
        again.set_hand(&hand);
        assert_eq!(again.parse("gate blue opened", T).id, id);
        assert_eq!(again.templates().count(), 1);
    }
}
