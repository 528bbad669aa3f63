use super::value::Value;

/// The lowest and the highest rate: one message in seventeen minutes, and
/// more than a process can handle.
const RANGE: (u64, u64) = (1, 1_000_000_000);

/// How many digits may stand behind the point.
const DECIMALS: usize = 3;

/// How many messages a second a consumer may receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RateLimit {
    thousandths: u64,
}

impl RateLimit {
    /// Makes a limit of so many messages in a thousand seconds; at least one.
    pub fn in_thousand_secs(messages: u64) -> Self {
        let (least, most) = RANGE;
        Self {
            thousandths: messages.clamp(least, most),
        }
    }

    /// Returns how many messages it allows in a thousand seconds.
    pub fn thousandths(self) -> u64 {
        self.thousandths
    }
}

impl Value for RateLimit {
    fn parse(text: &str) -> Result<Self, String> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_decimal = !whole.is_empty() && is_number(whole) && is_number(fraction);
        let thousandths = format!("{whole}{fraction:0<DECIMALS$}").parse().ok();
        match thousandths {
            Some(thousandths)
                if is_decimal
                    && fraction.len() <= DECIMALS
                    && (RANGE.0..=RANGE.1).contains(&thousandths) =>
            {
                Ok(Self { thousandths })
            }
            _ => Err(
                "is not a rate; give messages a second from 0.001 to 1000000, such as 50 or 0.5"
                    .to_owned(),
            ),
        }
    }

    fn render(&self) -> String {
        let (whole, fraction) = (self.thousandths / 1_000, self.thousandths % 1_000);
        let text = format!("{whole}.{fraction:03}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_a_decimal_number_of_messages_a_second() {
        for (text, thousandths, rendered) in [
            ("50", 50_000, "50"),
            ("0.5", 500, "0.5"),
            ("0.001", 1, "0.001"),
            ("12.340", 12_340, "12.34"),
            ("1000000", 1_000_000_000, "1000000"),
        ] {
            let rate = RateLimit::parse(text).expect(text);
            assert_eq!(
                (rate.thousandths(), rate.render().as_str()),
                (thousandths, rendered)
            );
        }
        for text in [
            "0", "0.0", "-1", "+1", "1e3", ".5", "0.0001", "1000001", "fast", "1,5", "",
        ] {
            assert!(RateLimit::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_rendered_is_read_back(thousandths in RANGE.0..=RANGE.1) {
            let rate = RateLimit { thousandths };
            prop_assert_eq!(RateLimit::parse(&rate.render()), Ok(rate));
        }
    }
}
