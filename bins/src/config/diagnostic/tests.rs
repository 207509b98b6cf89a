use super::*;

#[test]
fn at_most_a_hundred_of_each_severity_are_kept_and_the_others_counted() {
    let mut problems = Problems::new();
    for at in 0..250 {
        problems.push(Diagnostic::warning(Span::new(at, at), "w"));
    }
    assert!(!problems.any_error());
    for at in 0..101 {
        problems.push(Diagnostic::error(Span::new(at, at), "e"));
    }
    assert!(problems.any_error());
    let all = problems.finish();
    assert_eq!(all.len(), 202);
    assert_eq!(all[200].message, "1 more error not shown");
    assert_eq!(all[201].message, "150 more warnings not shown");
}
