// SPDX-License-Identifier: GPL-2.0

//! Reads an SVG picture back: the places of bars, by the ticks of the axis and the names of the
//! lanes. It uses nothing of the code that makes the picture.

use roxmltree::{Document, Node};

/// What is drawn.
#[derive(Debug, Default)]
pub(crate) struct Drawing {
    pub(crate) bars: Vec<Bar>,
    pub(crate) strips: Vec<Bar>,
    pub(crate) arrows: Vec<Arrow>,
    /// The names of the parts, and where each stands.
    pub(crate) parts: Vec<(String, f64)>,
    /// When 0 is, in microseconds since boot.
    pub(crate) zero: f64,
    /// Microseconds since boot at x = 0, and in one unit of x.
    origin: f64,
    unit: f64,
}

/// A bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// `tasks`, `devices` or `workers`.
    pub(crate) section: String,
    /// The name of the lane; none for bars of many lanes in the place of one.
    pub(crate) lane: Option<String>,
    pub(crate) class: String,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) title: String,
}

/// From where to where.
#[derive(Debug)]
pub(crate) struct Arrow {
    pub(crate) class: String,
    pub(crate) from: (f64, f64),
    pub(crate) to: (f64, f64),
    pub(crate) title: String,
}

impl Drawing {
    pub(crate) fn read(svg: &str) -> Self {
        let document = Document::parse(svg).expect("well-formed XML");
        let root = document.root_element();
        assert_eq!(
            root.tag_name().namespace(),
            Some("http://www.w3.org/2000/svg")
        );
        for node in document.descendants().filter(Node::is_element) {
            assert_ne!(node.tag_name().name(), "script");
            for attribute in node.attributes() {
                let (name, value) = (attribute.name(), attribute.value());
                assert!(!name.starts_with("on") && name != "href", "{name}");
                let mut words = value.split([' ', ',']).filter_map(|word| word.parse().ok());
                assert!(words.all(f64::is_finite), "{name}: {value}");
            }
        }
        let mut drawing = Self::default();
        drawing.axis(&document);
        let mut section = String::new();
        for group in with_class(&document, "lane") {
            drawing.lane(group, &mut section);
        }
        for group in with_class(&document, "parts") {
            let names = group.children().filter(|node| node.has_tag_name("text"));
            let names = names.map(|name| (title_of(name).unwrap(), number_of(name, "x")));
            drawing.parts.extend(names);
        }
        for group in with_class(&document, "waits") {
            drawing.waits(group);
        }
        drawing
    }

    /// Two ticks and the time of the first of them are the scale.
    fn axis(&mut self, document: &Document<'_>) {
        let notes = document.descendants().filter_map(|node| node.text());
        let mut zeros = notes.filter_map(|text| text.trim().split_once("0 is "));
        let zero = zeros.find_map(|(_, zero)| zero.strip_suffix(" s after boot"));
        let zero: f64 = zero.expect("when 0 is").parse().unwrap();
        let ticks: Vec<(f64, f64)> = with_class(document, "tick")
            .map(|tick| {
                let label = text_of(tick);
                let (number, unit) = label.split_once(' ').unwrap();
                let unit = match unit {
                    "s" => 1e6,
                    "ms" => 1e3,
                    "µs" => 1.0,
                    _ => panic!("{label}"),
                };
                (number.parse::<f64>().unwrap() * unit, number_of(tick, "x"))
            })
            .collect();
        let by_time = |a: &&(f64, f64), b: &&(f64, f64)| a.0.total_cmp(&b.0);
        let first = ticks.iter().min_by(by_time).unwrap();
        let last = ticks.iter().max_by(by_time).unwrap();
        assert_eq!(first.0, 0.0);
        self.unit = (last.0 - first.0) / (last.1 - first.1);
        self.zero = (zero * 1e6).round();
        self.origin = zero * 1e6 - first.1 * self.unit;
        for (time, x) in &ticks {
            assert!((self.x(zero * 1e6 + time) - x).abs() < 0.01, "tick {time}");
        }
    }

    fn lane(&mut self, group: Node<'_, '_>, section: &mut String) {
        let mut names = Vec::new();
        for node in group.children().filter(Node::is_element) {
            match node.attribute("class").unwrap_or_default() {
                "heading" => *section = text_of(node),
                "name" => names.push(title_of(node)),
                class if class.starts_with("bar ") => {
                    let class = class["bar ".len()..].to_owned();
                    self.bar(node, section, names.first().cloned().flatten(), class);
                }
                _ => {}
            }
        }
    }

    fn bar(&mut self, node: Node<'_, '_>, section: &str, lane: Option<String>, class: String) {
        let bar = |(x, y, width, height)| Bar {
            section: section.to_owned(),
            lane: lane.clone(),
            class: class.trim_start_matches("many ").to_owned(),
            x,
            y,
            width,
            height,
            title: title_of(node).unwrap_or_default(),
        };
        match node.tag_name().name() {
            "rect" => self.bars.push(bar(rect(node))),
            "path" => {
                let boxes = boxes(node.attribute("d").unwrap());
                self.bars.extend(boxes.into_iter().map(bar));
            }
            name => panic!("a bar that is a {name}"),
        }
    }

    fn waits(&mut self, group: Node<'_, '_>) {
        for node in group.children().filter(Node::is_element) {
            let class = node.attribute("class").unwrap().to_owned();
            let title = title_of(node).unwrap();
            match node.tag_name().name() {
                "rect" => {
                    let (x, y, width, height) = rect(node);
                    // In the lane of the bar that it is drawn on.
                    let on = self.bars.iter().find(|bar| {
                        bar.section != "devices"
                            && bar.y <= y + 0.01
                            && y + height <= bar.y + bar.height + 0.01
                    });
                    let on = on.expect("a bar that waits");
                    self.strips.push(Bar {
                        section: on.section.clone(),
                        lane: on.lane.clone(),
                        class,
                        x,
                        y,
                        width,
                        height,
                        title,
                    });
                }
                "path" => {
                    let numbers = numbers(node.attribute("d").unwrap());
                    let [x1, y1, x2, y2] = numbers[..] else {
                        panic!("an arrow that is not straight");
                    };
                    self.arrows.push(Arrow {
                        class,
                        from: (x1, y1),
                        to: (x2, y2),
                        title,
                    });
                }
                name => panic!("a wait that is a {name}"),
            }
        }
    }

    /// Where a time since boot is, in microseconds.
    pub(crate) fn x(&self, micros: f64) -> f64 {
        (micros - self.origin) / self.unit
    }
}

fn with_class<'a, 'i: 'a>(
    document: &'a Document<'i>,
    class: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    document.descendants().filter(move |node| {
        node.attribute("class")
            .is_some_and(|classes| classes.split(' ').any(|one| one == class))
    })
}

fn number_of(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

fn rect(node: Node<'_, '_>) -> (f64, f64, f64, f64) {
    let number = |name| number_of(node, name);
    (number("x"), number("y"), number("width"), number("height"))
}

/// The numbers of a path's data.
fn numbers(data: &str) -> Vec<f64> {
    data.split(|c: char| c.is_ascii_alphabetic() || c == ',' || c == ' ')
        .filter(|number| !number.is_empty())
        .map(|number| number.parse().unwrap())
        .collect()
}

/// The rectangles that a path consists of: `M x,y h width v height h -width z` each.
fn boxes(data: &str) -> Vec<(f64, f64, f64, f64)> {
    let boxes: Vec<_> = numbers(data)
        .chunks(5)
        .map(|numbers| {
            let [x, y, width, height, back] = numbers[..] else {
                panic!("no box: {numbers:?}");
            };
            assert_eq!(width, -back);
            (x, y, width, height)
        })
        .collect();
    assert_eq!(boxes.len(), data.matches('z').count());
    boxes
}

fn text_of(node: Node<'_, '_>) -> String {
    let texts = node.children().filter(Node::is_text);
    texts
        .filter_map(|text| text.text())
        .collect::<String>()
        .trim()
        .to_owned()
}

fn title_of(node: Node<'_, '_>) -> Option<String> {
    let title = node
        .children()
        .find(|node| node.tag_name().name() == "title");
    title.map(text_of)
}
