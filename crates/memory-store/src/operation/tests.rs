//! What `operation` promises, as tests.

use super::insert_lines;

#[test]
fn lines_go_in_whole() {
    assert_eq!(insert_lines("a\nb\n", 0, "x\n").unwrap(), "x\na\nb\n");
    assert_eq!(insert_lines("a\nb\n", 1, "x").unwrap(), "a\nx\nb\n");
    assert_eq!(insert_lines("a\nb", 2, "x").unwrap(), "a\nb\nx");
    assert_eq!(insert_lines("a\nb\n", 2, "x").unwrap(), "a\nb\nx");
    assert_eq!(insert_lines("", 0, "x").unwrap(), "x");
    assert_eq!(insert_lines("a", 1, "").unwrap(), "a");
    assert_eq!(insert_lines("a\n", 2, "x"), None);
}
