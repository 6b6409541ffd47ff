// Makes an element look like a tree of the server: a text, or [tag, attributes, children]. Text stays text.

const SVG = "http://www.w3.org/2000/svg";
const OWN = new Set(["open"]); // whether details are open is up to whoever reads them
const NEVER = /^(on|style$|srcdoc$)/i;

export function patch(element, [, attributes, children]) {
  patchAttributes(element, attributes);
  if (element.localName === "time") {
    element.textContent = localTime(element) ?? children.join("");
    return;
  }
  children.forEach((child, at) => patchChild(element, element.childNodes[at], child));
  while (element.childNodes.length > children.length) element.lastChild.remove();
}

function patchChild(parent, present, wanted) {
  if (typeof wanted === "string") {
    if (present?.nodeType !== Node.TEXT_NODE) put(parent, present, document.createTextNode(wanted));
    else if (present.data !== wanted) present.data = wanted;
    return;
  }
  if (isSame(present, wanted)) patch(present, wanted);
  else put(parent, present, made(parent, wanted));
}

function isSame(node, [tag, attributes]) {
  return node?.nodeType === Node.ELEMENT_NODE && node.localName === tag && node.id === (attributes.id ?? "");
}

function put(parent, present, node) {
  if (present) present.replaceWith(node);
  else parent.append(node);
}

function made(parent, tree) {
  const tag = tree[0];
  const drawn = tag === "svg" || parent.namespaceURI === SVG;
  const element = drawn ? document.createElementNS(SVG, tag) : document.createElement(tag);
  patch(element, tree);
  return element;
}

function patchAttributes(element, attributes) {
  for (const { name } of [...element.attributes]) {
    if (!(name in attributes) && !OWN.has(name)) element.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (!NEVER.test(name) && element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
}

// Where the reader is, it is another hour than where the gateway thinks it is, above all in containers.
const FORMS = {
  moment: { dateStyle: "medium", timeStyle: "medium" },
  day: { dateStyle: "medium" },
};

function localTime(element) {
  const form = FORMS[element.dataset.form];
  return form && new Intl.DateTimeFormat(document.documentElement.lang, form).format(new Date(element.dateTime));
}

export function localizeTimes() {
  for (const element of document.querySelectorAll("time[data-form]")) element.textContent = localTime(element);
}
