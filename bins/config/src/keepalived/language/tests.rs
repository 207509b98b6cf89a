//! What keepalived 2.2.7 understood, measured with `keepalived -t` and `--dump-conf`, and where this differs.

mod work;

use std::path::Path;

use super::*;
use crate::diagnostic::Severity;

/// The tree as text: words in `<>`, blocks in `{}`; and the problems.
fn read_with(text: &str, memory: &mut Memory) -> (String, Vec<String>) {
    let limits = Limits { lines: 20_000, words: 200_000, bytes: 4 << 20 };
    let settings = Settings { config_id: "main".into(), unknown: Severity::Warning, limits };
    let (document, sources, problems) = reader::read(
        crate::document::Source::new("d/k.conf", text),
        Path::new("d/k.conf"),
        &settings,
        memory,
    );
    // As a test of the file sees them.
    let problems = problems.finish().into_iter().map(|problem| problem.strictly().line(&sources)).collect();
    (outline(&document.root), problems)
}

fn outline(block: &Block) -> String {
    let directive = |directive: &Directive| {
        let words: Vec<_> = directive.words.iter().map(|word| format!("<{}>", word.text)).collect();
        let block =
            directive.block.as_ref().map(|block| format!("{{{}}}", outline(block))).unwrap_or_default();
        words.concat() + &block
    };
    block.directives.iter().map(directive).collect::<Vec<_>>().join(" ")
}

/// Of a text without problems.
fn tree(text: &str) -> String {
    let (outline, problems) = read_with(text, &mut Memory::default());
    assert_eq!(problems, [""; 0], "{text}");
    outline
}

/// Of a text with problems: those.
fn faults(text: &str) -> Vec<String> {
    read_with(text, &mut Memory::default()).1
}

#[test]
fn words_quotes_and_comments_of_plain_keywords() {
    let pairs = [
        ("a b\tc  d", "<a><b><c><d>"),
        ("a!b", "<a>"),
        ("a # b", "<a>"),
        ("# a\n! b\n", ""),
        (r"a\#b c\!d e\f\\g", r"<a#b><c!d><e\f\\g>"),
        (r#""x # y" ! z"#, "<x # y>"),
        (r#"k a"b c"d"#, "<k><a><b c><d>"),
        (r#"k """#, "<k><>"),
        ("k 'single q'", "<k><'single><q'>"),
        (r"k \x41 a\ b", r"<k><\x41><a\><b>"),
        (r#"k "q{r" s"#, "<k><q{r><s>"),
        ("k\r\nl\r\n", "<k> <l>"),
        ("k é x", "<k><é><x>"),
    ];
    for (text, expected) in pairs {
        assert_eq!(tree(text), expected, "{text}");
    }
}

#[test]
fn braces_stand_anywhere() {
    let pairs = [
        ("a{b}", "<a>{<b>}"),
        ("a x { b y } c { d }", "<a><x>{<b><y>} <c>{<d>}"),
        ("a\n{\nb\n}\n", "<a>{<b>}"),
        ("a { b { c\n}}d", "<a>{<b>{<c>}} <d>"),
        ("a {\n} b", "<a>{} <b>"),
        // All that stands on one line belongs to its first word.
        (
            "authentication { auth_type PASS auth_pass x }",
            "<authentication>{<auth_type><PASS><auth_pass><x>}",
        ),
    ];
    for (text, expected) in pairs {
        assert_eq!(tree(text), expected, "{text}");
    }
}

#[test]
fn braces_that_do_not_fit_are_named_and_never_end_the_block_around() {
    let (outline, problems) = read_with("a {\n { b }\n c\n} }\nd {\n e {\n f\n", &mut Memory::default());
    assert_eq!(outline, "<a>{<c>} <d>{<e>{<f>}}");
    assert_eq!(
        problems,
        [
            "d/k.conf:2:2: error: a block without a keyword (up to its `}` it is left out); \
             help: write the keyword of the block before the `{`",
            "d/k.conf:4:3: error: a `}` without a `{`; help: remove it, or look for a `}` too much before it",
            "d/k.conf:6:4: error: 2 blocks are not closed (no `}` belongs to this)",
        ]
    );
    // The second block of one keyword has no keyword.
    assert_eq!(faults("a { b } { c }").len(), 1);
    // An unknown keyword takes its block with it.
    assert_eq!(
        tree("vrrp_instance A {\nbogus x {\ny 2\n}\npriority 9\n}").matches("<priority><9>").count(),
        1
    );
}

#[test]
fn a_quote_without_end_leaves_the_line_out() {
    let (outline, problems) = read_with("a\nb \"c {\nd\n", &mut Memory::default());
    assert_eq!(outline, "<a> <d>");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("d/k.conf:2:3: error: a quote that does not end; `\"` is missing"));
}

#[test]
fn command_lines_are_read_as_a_shell_reads_them_twice() {
    // (in the file, arguments that keepalived ran)
    let pairs: [(&str, &[&str]); 9] = [
        (r#""/bin/echo 'a b' c\ d""#, &["/bin/echo", "a b", "c", "d"]),
        (r#""/bin/echo 'a b' \"c d\" e\x41""#, &["/bin/echo", "a b", "c d", "eA"]),
        (r#"'/bin/echo "a b" c'"#, &["/bin/echo", "a b", "c"]),
        (r#""/bin/echo # x ! y""#, &["/bin/echo", "#", "x", "!", "y"]),
        (r"/bin/echo\ a", &["/bin/echo", "a"]),
        (r#""/bin/echo { x }""#, &["/bin/echo", "{", "x", "}"]),
        (r#""/bin/echo a\\ b""#, &["/bin/echo", "a b"]),
        (r#""/bin/echo \$HOME '$HOME' 'a\\b'""#, &["/bin/echo", "$HOME", "$HOME", "a\u{8}"]),
        (r#""/bin/"echo' a b'"#, &["/bin/echo", "a", "b"]),
    ];
    for (text, expected) in pairs {
        for (block, keyword) in [("vrrp_script s", "script"), ("vrrp_instance i", "notify_master")] {
            let file = format!("{block} {{\n {keyword} {text}\n}}");
            let (document, _, problems) =
                read_text(&file, Path::new("k"), &Settings::default(), &mut Memory::default());
            assert!(problems.is_empty(), "{text}");
            let words = &document.root.directives[0].block.as_ref().unwrap().directives[0].words;
            assert_eq!(words.len(), 2, "{text}");
            assert_eq!(command_words(&words[1].text).unwrap(), expected, "{text}");
        }
    }
    assert_eq!(
        tree("vrrp_instance i {\nnotify /bin/echo root wheel\n}"),
        "<vrrp_instance><i>{<notify></bin/echo><root><wheel>}"
    );
    assert_eq!(command_words("a 'b"), Err('\''));
    assert_eq!(command_words(r"a \101\102 \cA").unwrap(), ["a", "AB", "\u{1}"]);
    let problems = faults("vrrp_script s {\n script '/bin/echo # x'\n}");
    assert!(problems[0].contains("single quotes starts a comment all the same"), "{problems:?}");
}

#[test]
fn definitions_are_put_in_late_and_again_and_again() {
    let pairs = [
        ("$A=1\na$A b", "<a1><b>"),
        ("$A=1\na$A, a$A) [$A] a$A. a$A/", "<a1,><a1)><[$A]><a$A.><a$A/>"),
        ("$A=1\nx${A}y${A}z ${A }", "<x1y1z><1>"),
        ("$A=x y  z   \nk $A", "<k><x><y><z>"),
        ("$A=\n$A k ${A}", "<k>"),
        ("$A=v # w\nk $A", "<k><v>"),
        ("$A=\"v # w\"\nk $A", "<k><v # w>"),
        ("$A=1\n\"q $A ${A}\" \"$A\"", "<q 1 1><$A>"),
        ("$B=10.${S}\n$S=0\nk ${B}.1\n$S=10\nk ${B}.1", "<k><10.0.1> <k><10.10.1>"),
        ("$A=1\nk {\n $A=2\n}\nj $A", "<k>{} <j><2>"),
        ("$_X=4\nk $_X", "<k><4>"),
        ("$A=1\nk \\$A $A$A", "<k><\\1><$A1>"),
        ("$K=vrrp_instance A {\n$K\n}", "<vrrp_instance><A>{}"),
        ("k $HOME ", "<k><$HOME>"),
        ("k \"${HOME}/x\"", "<k><${HOME}/x>"),
    ];
    for (text, expected) in pairs {
        assert_eq!(tree(text), expected, "{text}");
    }
    // keepalived takes an unknown `${NAME}` for a block that ends the one around it.
    let (outline, problems) = read_with("$HOSTS=1\na {\n b ${HOST} c\n}", &mut Memory::default());
    assert_eq!(outline, "<a>{<b><${HOST}><c>}");
    assert!(problems[0].starts_with("d/k.conf:3:4: error: `HOST` is not defined"), "{problems:?}");
    assert!(problems[0].ends_with("did you mean `${HOSTS}`?"), "{problems:?}");
}

#[test]
fn an_escaped_comment_mark_survives_a_definition() {
    // keepalived 2.2.7 loses `#w` here, and what follows ${_HASH}, against its manual.
    assert_eq!(tree("$A=v\\#w\nk $A"), "<k><v#w>");
    assert_eq!(tree("k x${_HASH}y x${_BANG}y \"${_HASH}\""), "<k><x#y><x!y><#>");
}

#[test]
fn built_in_names() {
    assert_eq!(tree("k ${_PWD}/x ${_INSTANCE}"), "<k><d/x><main>");
    assert_eq!(tree("k $_PWD i$_INSTANCE"), "<k><d><imain>");
    assert_eq!(tree("k ${_RANDOM 7 7} ${_RANDOM 1 2} ${_RANDOM 1 2}"), "<k><7><1><2>");
    assert_eq!(tree("k [${_ENV NO_SUCH}]"), "<k><[]>");
}

#[test]
fn conditions_compare_with_the_config_id() {
    let pairs = [
        ("@main a\n@other b\n@^main c\n@^other d", "<a> <d>"),
        ("@main,other a\n@ main b\n@^ c\n@main", "<c>"),
        ("\t@main a\nx @main y", "<a> <x><@main><y>"),
        ("\"@main\" q", "<@main><q>"),
        ("$P=@main\n$P a\n$Q=@other\n$Q b", "<a>"),
        ("@main $A=1\n@other $A=2\nk $A", "<k><1>"),
        ("@main ~SEQ(A,1,2) a${A}\n~SEQ(B,1,2) @other b", "<a1> <a2>"),
        ("@main a {\nb\n@main }", "<a>{<b>}"),
        // keepalived takes the second condition for a keyword.
        ("@main @^other a\n@main @other b", "<a>"),
    ];
    for (text, expected) in pairs {
        assert_eq!(tree(text), expected, "{text}");
    }
}

#[test]
fn definitions_of_several_lines() {
    let block = "$X= \\\n a \\\n b { \\\n c # comment \\\n } \\\n @main d \\\n @other e\n";
    assert_eq!(tree(&format!("{block}$X\nf")), "<a> <b>{<c>} <d> <f>");
    assert_eq!(tree(&format!("{block}x$X # why\nf")), "<xa> <b>{<c>} <d> <f>");
    assert_eq!(tree("$Y= \\\n f \\\n\n$Y\ng"), "<f> <g>");
    assert_eq!(tree("$Y= \\\n\nk $Y\n"), "<k>");
    assert_eq!(
        tree("$A= \\\n a${N} { \\\n n $N \\\n }\n$B= \\\n$N=1 \\\n$A \\\n$N=2 \\\n$A\n$B\n"),
        "<a1>{<n><1>} <a2>{<n><2>}"
    );
    assert_eq!(tree("$A= \\\n a${N} { \\\n }\n~SEQ(N,1,2) $A\n"), "<a1>{} <a2>{}");
    let (outline, problems) = read_with(&format!("{block}mid $X end\n\"${{X}}\"\nz"), &mut Memory::default());
    assert_eq!(outline, "<z>");
    assert_eq!(problems.len(), 2);
    assert!(problems[0].starts_with("d/k.conf:8:5: error: a definition of several lines has to be the last"));
}

#[test]
fn a_mistake_in_a_definition_of_several_lines_is_shown_where_it_is_written() {
    let text = "$X= \\\n a { \\\n  b \"c \\\n }\n$X\n$X\n";
    let problems = faults(text);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("d/k.conf:3:5: error: a quote"), "{problems:?}");
}

#[test]
fn sequences() {
    let pairs = [
        ("~SEQ(A,0,3) a${A}", "<a0> <a1> <a2> <a3>"),
        ("~SEQ(A,3) a$A", "<a1> <a2> <a3>"),
        ("~SEQ(A,-2) a$A", "<a-1> <a-2>"),
        ("~SEQ(A,3,1) a$A", "<a3> <a2> <a1>"),
        ("~SEQ(A,1,2,6) a$A", "<a1> <a3> <a5>"),
        ("~SEQ(A,6,-2,1) a$A", "<a6> <a4> <a2>"),
        ("~SEQ( A , 2 , 3 )a$A", "<a2> <a3>"),
        ("~SEQ (A,1,2) a$A", "<a1> <a2>"),
        ("~SEQx(A,0x0a,2,0x0e) a$A", "<aa> <ac> <ae>"),
        ("~SEQ(A,0x10,0x11) a$A\n~SEQ(A,010,011) b$A", "<a16> <a17> <b8> <b9>"),
        ("~SEQ(A,1,2) ~SEQ(B,${A},2) q${A}${B}", "<q11> <q12> <q22>"),
        ("$N=2\n~SEQ(A,1,$N) a$A\n~SEQ(A,1,${N}) b$A", "<a1> <a2> <b1> <b2>"),
        ("~SEQ(A,1,2) a${A} { b${A} }", "<a1>{<b1>} <a2>{<b2>}"),
        ("~SEQ(A,1,2) $D=${A}\nk $D $A", "<k><2><2>"),
        ("~LST(A, a , b ) [${A}]", "<[a]> <[b]>"),
        ("~LST(A,a,b) ~LST({P,Q},{1,2},{3}) l${A}${P}${Q}", "<la12> <la3> <lb12> <lb3>"),
        ("~LST(A,) [${A}]", "<[]>"),
        ("~seq(A,1,2) a\n~FOO(A,1) b", "<~seq(A,1,2)><a> <~FOO(A,1)><b>"),
        ("x ~SEQ(A,1,2) y", "<x><~SEQ(A,1,2)><y>"),
    ];
    for (text, expected) in pairs {
        assert_eq!(tree(text), expected, "{text}");
    }
}

#[test]
fn sequences_that_can_not_be_read_say_why() {
    let pairs = [
        ("~SEQ(A,1,-1,4) x", "does not lead"),
        ("~SEQ(A,1,0,4) x", "does not lead"),
        ("~SEQx(A,-2,2) x", "from 0 on"),
        ("~SEQ(A,a,3) x", "no number"),
        ("~SEQ(A,99999999999) x", "no number"),
        ("~SEQ(A) x", "it is ~SEQ("),
        ("~SEQ(A,1,3", "no `)`"),
        ("~SEQ(1A,1,3) x", "is named"),
        ("~LST(A,a b) x", "a blank"),
        ("~LST(A) x", "it is ~LST("),
        ("~LST(A,{1,2}) x", "more values"),
        ("~LST({A,B},{1,2) x", "is missing"),
        ("~LST({A,B},1},2) x", "too much"),
        ("~LST({A,{B}},1) x", "within braces"),
    ];
    for (text, expected) in pairs {
        let (outline, problems) = read_with(&format!("{text}\ny"), &mut Memory::default());
        assert_eq!(outline, "<y>", "{text}");
        assert_eq!(problems.len(), 1, "{text}");
        assert!(problems[0].contains("d/k.conf:1:1: error: a sequence that can not be read"), "{problems:?}");
        assert!(problems[0].contains(expected), "{text}: {problems:?}");
    }
}

#[test]
fn includes_are_read_in_place_and_know_their_own_directory() {
    let mut memory = Memory::default()
        .file("d/inc/a.conf", "include sub/*.conf\ninner ${_PWD}\n$V=file\n")
        .file("d/inc/sub/one.conf", "one")
        .file("d/inc/sub/two.conf", "two {\n")
        .file("/abs.conf", "abs\n");
    let text = "before\ninclude inc/a.conf # comment\n}\nx$V\n@main include /abs.conf\n$I=include\n$I /abs.conf\nyy { include \"/abs.conf\"\n}\n";
    let (outline, problems) = read_with(text, &mut memory);
    assert_eq!(problems, [""; 0]);
    assert_eq!(outline, "<before> <one> <two>{<inner><d/inc>} <xfile> <abs> <abs> <yy>{<abs>}");
    let (_, problems) = read_with("include inc/bad.conf", &mut memory.file("d/inc/bad.conf", "ok\n a {\n"));
    assert_eq!(problems, ["d/inc/bad.conf:2:4: error: a block is not closed (no `}` belongs to this)"]);
}

#[test]
fn a_file_that_is_missing_is_an_error_when_it_is_asked_for() {
    let severity = |text: &str| {
        let mut memory = Memory::default().file("d/is.conf", "is");
        let (_, problems) = read_with(text, &mut memory);
        problems.first().map(|line| line.split(' ').nth(1).unwrap_or_default().to_owned()).unwrap_or_default()
    };
    let pairs = [
        ("include no.conf", "warning:"),
        ("include no*.conf", "warning:"),
        ("includer no.conf", "warning:"),
        ("includem no.conf", "error:"),
        ("includem no*.conf", "warning:"),
        ("includew no*.conf", "error:"),
        ("includeb {is,no}.conf", "error:"),
        ("include {is,no}.conf", ""),
        ("includea no*.conf", "error:"),
        ("global_defs {\n include_check match\n include no.conf\n}", "error:"),
        ("global_defs {\n include_check\n include no*.conf\n}", "error:"),
        ("global_defs {\n include_check\n include_check -match\n include no.conf\n}", "warning:"),
    ];
    for (text, expected) in pairs {
        assert_eq!(severity(text), expected, "{text}");
    }
}

#[test]
fn whatever_grows_without_end_is_stopped_with_an_error() {
    let mut memory =
        Memory::default().file("d/self.conf", "x\ninclude self.conf\n").file("d/k.conf", "include k.conf\n");
    let first = |text: &str, memory: &mut Memory| read_with(text, memory).1.swap_remove(0);
    assert!(first("include self.conf", &mut memory).contains("this file includes itself"));
    assert!(first("include k.conf", &mut memory).contains("this file includes itself"));
    let chain = (0..40).fold(Memory::default(), |memory, number| {
        memory.file(format!("d/{number}"), format!("include {}\n", number + 1))
    });
    assert!(first("include 0", &mut chain.clone()).contains("more than 32 files include each other"));
    let pairs = [
        ("$A=${A}x\nk $A", "refers to itself"),
        ("$A=${B}${B}\n$B=${A}${A}\nk $A", "refers to itself"),
        ("$A= \\\n a \\\n $A\n$A", "does one refer to itself?"),
        ("~SEQ(A,1,2000000000) @other x", "more than 20000 lines"),
        ("~SEQ(A,1,2000) ~SEQ(B,1,2000) ~SEQ(C,1,2000) a b c d", "more than 20000 lines"),
    ];
    for (text, expected) in pairs {
        let problems = faults(text);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{text}: {problems:?}");
    }
    let doubling: String = (0..40).map(|n| format!("$A{n}=${{A{0}}}${{A{0}}}\n", n + 1)).collect();
    let problems = faults(&format!("{doubling}$A40=\nk $A0"));
    assert!(problems[0].contains("refers to itself"), "{problems:?}");
    let long = format!("$A={}\n$B={}\nk $B", "x".repeat(1_000), "${A}".repeat(2_000));
    assert!(faults(&long).iter().any(|problem| problem.contains("becomes longer than")), "long");
    let deep = "a {\n".repeat(5_000) + &"}\n".repeat(5_000);
    assert_eq!(faults(&deep).len(), 1);
    assert!(faults(&deep)[0].contains("more than 32 blocks within each other"));
    let deep = faults(&"{".repeat(1_000_000));
    assert_eq!(deep.iter().filter(|problem| problem.contains(" error: ")).count(), 2, "{deep:?}");
    let words: String = (0..3_000).map(|_| format!("k{}\n", " x".repeat(100))).collect();
    assert!(faults(&words)[0].contains("more than 200000 words"));
    let bytes = format!("$A={}\n{}", "x".repeat(1_000), "k ${A}\n".repeat(6_000));
    assert!(faults(&bytes)[0].contains("more than 4194304 bytes"));
}

#[test]
fn lines_that_keepalived_would_cut_are_read_whole_and_named() {
    let long = format!("k {}", "x ".repeat(600));
    let (outline, problems) = read_with(&long, &mut Memory::default());
    assert_eq!(outline.matches("<x>").count(), 600);
    assert!(problems[0].contains("warning: a line of 1202 bytes"), "{problems:?}");
    let (outline, problems) = read_with("a\0b\nc", &mut Memory::default());
    assert_eq!(outline, "<a> <c>");
    assert!(problems[0].starts_with("d/k.conf:1:2: error: a zero byte"), "{problems:?}");
    let (outline, problems) = read_with("a b \\\nc", &mut Memory::default());
    assert_eq!(outline, "<a><b> <c>");
    assert!(problems[0].contains("only a definition goes on in the next line"), "{problems:?}");
}

#[test]
fn a_definition_ends_with_its_file() {
    let mut memory = Memory::default().file("d/x", "$M= \\\n a \\\n");
    let (outline, problems) = read_with("include x\nb\n$M", &mut memory);
    assert_eq!(outline, "<b> <a>");
    assert!(problems[0].starts_with("d/x:1:1: warning: this definition goes on"), "{problems:?}");
}

#[test]
fn words_know_where_they_stand() {
    let text = "$P=300\nk {\n  priority ${P} x\n}\n";
    let (document, sources, _) =
        read_text(text, Path::new("k"), &Settings::default(), &mut Memory::default());
    let block = document.root.directives[0].block.as_ref().unwrap();
    let words = &block.directives[0].words;
    assert_eq!(words[1].text, "300");
    assert_eq!(sources.slice(words[1].span), "${P}");
    assert_eq!(sources.slice(words[2].span), "x");
    assert_eq!(sources.slice(block.directives[0].span()), "priority ${P} x");
    assert_eq!(sources.slice(block.span), "{\n  priority ${P} x\n}");
}

#[test]
fn a_byte_order_mark_is_skipped_in_each_file() {
    let mut memory = Memory::default().file("d/x", "\u{feff}b 1\n");
    let (outline, problems) = read_with("\u{feff}a 1\ninclude x\n\u{feff}c\n", &mut memory);
    // Only at the start of a file.
    assert_eq!(outline, "<a><1> <b><1> <\u{feff}c>");
    let text = "warning: the file begins with a byte order mark of UTF-8 (skipped); \
                help: save the file without it";
    assert_eq!(problems, [format!("d/k.conf:1:1: {text}"), format!("d/x:1:1: {text}")]);
    // Places behind it are those of the file.
    let problems = faults("\u{feff}a {");
    assert!(problems.iter().any(|problem| problem.starts_with("d/k.conf:1:4: ")), "{problems:?}");
}

#[test]
fn other_blanks_than_those_of_ascii_are_letters_and_named() {
    let (outline, problems) = read_with("a\u{a0}b c\u{2003}\n\u{b}d\u{c}e\n", &mut Memory::default());
    assert_eq!(outline, "<a\u{a0}b><c\u{2003}> <d><e>");
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(
        problems[0],
        "d/k.conf:1:2: warning: the character U+00A0 looks like a blank (it is a part of the word, for keepalived, too); \
         help: write a blank in its place"
    );
    assert!(problems[1].starts_with("d/k.conf:1:6: warning: the character U+2003"), "{problems:?}");
    assert_eq!(tree("k \"a\u{a0}b\" # \u{a0}"), "<k><a\u{a0}b>");
}
