use proptest::prelude::*;

use super::*;
use crate::testing;

fn apply(changes: &[Change], table: &ServiceTable) -> ServiceTable {
    let mut table = table.clone();
    for change in changes {
        change.apply(&mut table).unwrap();
    }
    table
}

proptest! {
    #[test]
    fn applying_the_difference_reaches_the_other_table(from in testing::table(), to in testing::table()) {
        prop_assert_eq!(apply(&diff(&from, &to), &from), to);
    }

    #[test]
    fn equal_tables_have_no_difference(table in testing::table()) {
        prop_assert_eq!(diff(&table, &table), vec![]);
    }

    /// While the changes are made one by one, a service that has usable servers before and after is never
    /// without one.
    #[test]
    fn no_service_is_empty_on_the_way(from in testing::table(), to in testing::table()) {
        let usable = |table: &ServiceTable, key: &ServiceKey| {
            table.services.get(key).is_some_and(|s| s.servers.values().any(|spec| !spec.weight.is_zero()))
        };
        let mut table = from.clone();
        for change in diff(&from, &to) {
            change.apply(&mut table).unwrap();
            let key = change.service();
            if usable(&from, key) && usable(&to, key) {
                prop_assert!(usable(&table, key), "{key} is empty after {change}");
            }
        }
    }
}
