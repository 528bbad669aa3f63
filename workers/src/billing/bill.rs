use iso_currency::Currency;

use super::money::Money;
use super::refusal::Refusal;
use crate::orders::{Order, OrderLine};

/// What billing makes of a good order: who pays, or is paid back, how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill<'a> {
    /// The order.
    pub order_id: &'a str,
    /// The customer; not blank.
    pub customer_id: &'a str,
    /// The sum of the lines; above zero.
    pub total: Money,
}

impl<'a> Bill<'a> {
    /// Makes the bill of an order.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: the customer, the want of lines, the
    /// currency, then line by line the quantity and the price, at last the total.
    ///
    /// # Examples
    ///
    /// ```
    /// # use fleet_workers::{billing::{Bill, Refusal}, orders::Order};
    /// let mut order: Order = serde_json::from_str(
    ///     r#"{"order_id":"536365","customer_id":"17850","currency":"GBP",
    ///         "placed_at":"2010-12-01T08:26:00Z","country":"United Kingdom","cancelled":false,
    ///         "lines":[{"sku":"85123A","description":"CANDLE","quantity":6,"unit_price_minor":255}]}"#,
    /// )?;
    /// assert_eq!(Bill::of(&order).unwrap().total.minor, 1530);
    /// order.lines[0].quantity = -6;
    /// assert_eq!(Bill::of(&order), Err(Refusal::NegativeQuantity { line: 1 }));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn of(order: &'a Order) -> Result<Self, Refusal> {
        let customer_id = order
            .customer_id
            .as_deref()
            .filter(|id| !id.trim().is_empty())
            .ok_or(Refusal::NoCustomer)?;
        Ok(Self {
            order_id: &order.order_id,
            customer_id,
            total: total(order)?,
        })
    }
}

fn total(order: &Order) -> Result<Money, Refusal> {
    if order.lines.is_empty() {
        return Err(Refusal::NoLines);
    }
    let currency = Currency::from_code(&order.currency).ok_or(Refusal::UnknownCurrency)?;
    for (line, number) in order.lines.iter().zip(1..) {
        check(line, number)?;
    }
    let minor = sum(&order.lines).ok_or(Refusal::TotalOverflows)?;
    Ok(Money { currency, minor })
}

fn check(
    OrderLine {
        quantity,
        unit_price_minor,
        ..
    }: &OrderLine,
    line: usize,
) -> Result<(), Refusal> {
    match (*quantity, *unit_price_minor) {
        (0, _) => Err(Refusal::ZeroQuantity { line }),
        (..0, _) => Err(Refusal::NegativeQuantity { line }),
        (_, 0) => Err(Refusal::ZeroPrice { line }),
        (_, ..0) => Err(Refusal::NegativePrice { line }),
        (1.., 1..) => Ok(()),
    }
}

fn sum(lines: &[OrderLine]) -> Option<i64> {
    lines.iter().try_fold(0_i64, |sum, line| {
        sum.checked_add(line.quantity.checked_mul(line.unit_price_minor)?)
    })
}

#[cfg(test)]
mod tests {
    use fleet::HandlerError;
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn order(customer: Option<&str>, currency: &str, lines: &[(i64, i64)]) -> Order {
        let line = |&(quantity, unit_price_minor): &(i64, i64)| OrderLine {
            sku: "85123A".to_owned(),
            description: "jane@example.com".to_owned(),
            quantity,
            unit_price_minor,
        };
        Order {
            order_id: "1".to_owned(),
            customer_id: customer.map(str::to_owned),
            currency: currency.to_owned(),
            placed_at: Timestamp::UNIX_EPOCH,
            country: "France".to_owned(),
            email: None,
            cancelled: false,
            lines: lines.iter().map(line).collect(),
        }
    }

    #[test]
    fn a_good_order_is_the_sum_of_its_lines() {
        let check = |currency: &str, lines: &[(i64, i64)], total: i64| {
            let order = order(Some("7"), currency, lines);
            let bill = Bill::of(&order).unwrap();
            assert_eq!((bill.order_id, bill.customer_id), ("1", "7"));
            assert_eq!(
                (bill.total.currency.code(), bill.total.minor),
                (currency, total)
            );
        };
        check("GBP", &[(6, 255)], 1530);
        check("GBP", &[(6, 255), (6, 339), (8, 275)], 5764);
        check("JPY", &[(1, 1)], 1);
        check("EUR", &[(i64::MAX, 1)], i64::MAX);
        check("EUR", &[(1, i64::MAX - 1), (1, 1)], i64::MAX);
    }

    #[test]
    fn a_bad_order_is_refused_for_the_first_thing_that_is_wrong() {
        let check =
            |customer: Option<&str>, currency: &str, lines: &[(i64, i64)], expected: &str| {
                let error =
                    HandlerError::from(Bill::of(&order(customer, currency, lines)).unwrap_err());
                let HandlerError::Permanent { reason, detail } = error else {
                    panic!("{error:?}")
                };
                let described = [Some(reason.into_owned()), detail].map(Option::unwrap_or_default);
                assert_eq!(described.join(", ").trim_end_matches(", "), expected);
            };
        check(None, "?", &[], "no customer");
        check(Some(""), "?", &[], "no customer");
        check(Some(" \t\u{a0}"), "?", &[], "no customer");
        check(Some("7"), "?", &[], "no lines");
        for currency in ["", "gbp", "GBP ", "XQZ", "pound", "£"] {
            check(Some("7"), currency, &[(0, 0)], "unknown currency");
        }
        check(Some("7"), "GBP", &[(0, -1)], "zero quantity, line 1");
        check(
            Some("7"),
            "GBP",
            &[(1, 1), (-1, 0)],
            "negative quantity, line 2",
        );
        check(
            Some("7"),
            "GBP",
            &[(1, 1), (1, 1), (1, 0)],
            "zero price, line 3",
        );
        check(
            Some("7"),
            "GBP",
            &[(1, -1), (0, 1)],
            "negative price, line 1",
        );
        check(
            Some("7"),
            "GBP",
            &[(i64::MIN, i64::MIN)],
            "negative quantity, line 1",
        );
        check(Some("7"), "GBP", &[(i64::MAX, 2)], "total overflows");
        check(
            Some("7"),
            "GBP",
            &[(i64::MAX, 1), (1, 1)],
            "total overflows",
        );
        // A line that is wrong counts before a sum that is too large.
        check(
            Some("7"),
            "GBP",
            &[(i64::MAX, 2), (0, 1)],
            "zero quantity, line 2",
        );
    }

    /// Numbers at the edges as well as in the middle.
    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![
            any::<i64>(),
            1_i64..100_000,
            Just(i64::MAX),
            Just(i64::MIN),
            -1_i64..=1,
            3_037_000_498_i64..3_037_000_502,
        ]
    }

    fn exact(lines: &[(i64, i64)]) -> Result<i64, Refusal> {
        for (&(quantity, price), line) in lines.iter().zip(1..) {
            match () {
                () if quantity == 0 => return Err(Refusal::ZeroQuantity { line }),
                () if quantity < 0 => return Err(Refusal::NegativeQuantity { line }),
                () if price == 0 => return Err(Refusal::ZeroPrice { line }),
                () if price < 0 => return Err(Refusal::NegativePrice { line }),
                () => {}
            }
        }
        let products = lines
            .iter()
            .map(|&(quantity, price)| i128::from(quantity) * i128::from(price));
        // Twelve products of 63 bits each fit into 127 bits only one by one.
        let sum = products.fold(0_i128, i128::saturating_add);
        i64::try_from(sum).map_err(|_| Refusal::TotalOverflows)
    }

    proptest! {
        #[test]
        fn any_numbers_are_billed_exactly_or_refused(
            lines in prop::collection::vec((number(), number()), 1..12),
        ) {
            let order = order(Some("7"), "GBP", &lines);
            prop_assert_eq!(Bill::of(&order).map(|bill| bill.total.minor), exact(&lines));
        }

        #[test]
        fn positive_numbers_are_billed_exactly_or_overflow(
            lines in prop::collection::vec((1..=i64::MAX, 1..=i64::MAX), 1..4),
            small in prop::collection::vec((1_i64..1 << 31, 1_i64..1 << 31), 1..12),
        ) {
            for lines in [lines, small] {
                let order = order(Some("7"), "GBP", &lines);
                prop_assert_eq!(Bill::of(&order).map(|bill| bill.total.minor), exact(&lines));
            }
        }
    }
}
