use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use stateright::Model;

/// Counts the states of a model; `None` if one can be reached from itself, so that a run may go on
/// for ever.
///
/// It stands for `eventually`: stateright's own sees neither cycles nor, where two paths join, more
/// than one of them. Without cycles every run ends where nothing more can happen, and a property
/// says what such a state must be like.
pub fn count_without_cycle<M>(model: &M) -> Option<usize>
where
    M: Model,
    M::State: Hash,
{
    let mut path: Vec<(u64, Vec<M::State>)> = Vec::new();
    let mut is_behind: HashMap<u64, bool> = HashMap::new();
    let mut ahead = model.init_states();
    loop {
        let Some(state) = ahead.pop() else {
            // All that the last state of the path leads to was seen.
            let Some((left, siblings)) = path.pop() else {
                return Some(is_behind.len());
            };
            is_behind.insert(left, true);
            ahead = siblings;
            continue;
        };
        let digest = digest(&state);
        match is_behind.get(&digest) {
            Some(true) => {}
            Some(false) => return None,
            None => {
                is_behind.insert(digest, false);
                let next = model.next_states(&state);
                path.push((digest, std::mem::replace(&mut ahead, next)));
            }
        }
    }
}

fn digest(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From each number to those that its list names.
    struct Graph(&'static [&'static [usize]]);

    impl Model for Graph {
        type State = usize;
        type Action = usize;

        fn init_states(&self) -> Vec<usize> {
            vec![0]
        }

        fn actions(&self, state: &usize, actions: &mut Vec<usize>) {
            actions.extend(self.0[*state]);
        }

        fn next_state(&self, _state: &usize, action: usize) -> Option<usize> {
            Some(action)
        }
    }

    #[test]
    fn paths_that_join_are_no_cycle_and_a_way_back_is_one() {
        let joined = Graph(&[&[1, 2], &[3], &[3], &[], &[0]]);
        assert_eq!(count_without_cycle(&joined), Some(4));
        let back = Graph(&[&[1, 2], &[3], &[3], &[1]]);
        assert_eq!(count_without_cycle(&back), None);
        assert_eq!(count_without_cycle(&Graph(&[&[0]])), None);
    }
}
