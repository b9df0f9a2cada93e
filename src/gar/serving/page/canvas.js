// The picture with its regions: draws them, and reports strokes in pixels of the picture.
//
// What is marked, how it is named and colored, and which pixels belong to it is told by the server (`marks`, whose masks
// are pictures of the size of the picture, opaque inside); nothing of it is computed here. Files that are chosen, dropped
// or pasted are sent to `uploadUrl` as they are.
//
// Keyboard, while the picture has the focus: arrow keys move a cross (with Shift by one pixel), Enter marks,
// Backspace takes the last corner back, Escape gives up, Ctrl+Z undoes.

const LINE = 2.5; // width of a region's outline in CSS pixels
const NEAR = 12; // so near to its first corner, in CSS pixels, a click closes a polygon
const TWICE = 400; // two presses within so many milliseconds are a double click, which closes a polygon too
const GAP = 2; // points of a scribble are so far apart, in CSS pixels

export default {
  template: `
    <div class="stage" :class="{ dropping }" @dragover.prevent="dropping = true" @dragleave.self="dropping = false"
         @drop.prevent="drop">
      <div v-if="picture" class="frame" :style="frameStyle">
        <img :src="picture.url" :alt="picture.name" draggable="false" />
        <canvas ref="layer" tabindex="0" role="application" :class="tool" :aria-label="label"
                aria-describedby="canvas-help"
                @pointerdown="press" @pointermove="move" @pointerup="release" @pointercancel="giveUp"
                @dblclick.prevent @keydown="key" @blur="cross = null; paint()"></canvas>
        <button v-for="mark in shown" :key="mark.id" type="button" class="tag" :data-mark="mark.id"
                :style="tagStyle(mark)" :aria-label="'Name region ' + mark.number + ' in the question'"
                @click="$emit('refer', { id: mark.id })">{{ mark.number }}</button>
      </div>
      <slot v-else></slot>
      <div class="spoken" aria-live="polite">{{ spoken }}</div>
      <input ref="picture" type="file" :accept="accept" hidden @change="chosen('picture', $event)" />
      <input ref="mask" type="file" accept="image/png,image/*" hidden @change="chosen('mask', $event)" />
    </div>`,

  props: { picture: Object, marks: Array, tool: String, opacity: Number, uploadUrl: String, maxBytes: Number,
    accept: String },

  data: () => ({ dropping: false, spoken: "" }),

  created() {
    // Not reactive on purpose: these change with every movement of the pointer.
    this.draft = []; // places of the stroke that is being drawn, in pixels of the picture
    this.drawing = false; // whether the pointer is down
    this.cross = null; // where the keyboard points
    this.open = false; // whether a stroke of the keyboard has begun
    this.pressed = -TWICE; // when the pointer was pressed last, in milliseconds
    this.hover = null; // where the pointer is while a polygon is drawn
    this.painted = null; // the canvas that was painted on last
    this.sending = null; // ends the sending of the picture that was chosen last
    this.lit = null; // id of the mark that is pointed at anywhere on the page
    this.masks = new Map(); // by URL: the mask's picture
    this.layers = new Map(); // by URL, color and size: the mask as it is drawn
  },

  computed: {
    shown() { return this.marks.filter((mark) => !mark.hidden); },
    label() {
      const how = this.tool === "refer" ? "pick regions" : `draw a ${this.tool}`;
      return `${this.picture.name}, ${this.picture.width} by ${this.picture.height} pixels: ${how}`;
    },
    frameStyle() {
      const { width, height } = this.picture;
      return { aspectRatio: `${width} / ${height}`, width: `min(100%, calc(var(--stage-height) * ${width / height}))` };
    },
  },

  watch: {
    picture: { deep: true, handler() {
      this.draft = []; this.cross = null; this.layers.clear(); this.masks.clear();
      this.$nextTick(() => this.paint()); // its frame may be of another shape
    } },
    marks: { deep: true, handler() { this.paint(); } },
    opacity() { this.paint(); },
    tool() { this.giveUp(); },
  },

  mounted() {
    this.light = (event) => {
      const id = event.target.closest?.("[data-mark]")?.dataset.mark ?? null;
      if (id !== this.lit) { this.lit = id; this.paint(); }
    };
    this.paste = (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
      if (file) { event.preventDefault(); this.send("picture", file); }
    };
    for (const type of ["pointerover", "focusin"]) document.addEventListener(type, this.light);
    document.addEventListener("paste", this.paste);
    this.resized = new ResizeObserver(() => this.paint());
    this.resized.observe(this.$el);
  },

  updated() { if (this.$refs.layer !== this.painted) this.paint(); }, // another canvas; what is on it has its watchers

  unmounted() {
    for (const type of ["pointerover", "focusin"]) document.removeEventListener(type, this.light);
    document.removeEventListener("paste", this.paste);
    this.resized.disconnect();
  },

  methods: {
    // files

    choose(what) { this.$refs[what].click(); },

    chosen(what, event) {
      const [file] = event.target.files;
      event.target.value = ""; // so that the same file can be chosen again
      if (file) this.send(what, file);
    },

    drop(event) {
      this.dropping = false;
      const [file] = event.dataTransfer.files;
      if (file) this.send("picture", file);
    },

    async send(what, file) {
      if (file.size > this.maxBytes) return this.$emit("refused", { name: file.name, bytes: file.size });
      const sending = new AbortController();
      if (what === "picture") { // the last one counts, however long those before it take
        this.sending?.abort();
        this.sending = sending;
      }
      try {
        const headers = { "X-File-Name": encodeURIComponent(file.name), "Content-Type": "application/octet-stream" };
        const reply = await fetch(`${this.uploadUrl}/${what}`, { method: "POST", body: file, headers, signal: sending.signal });
        if (!reply.ok) this.$emit("unsent", { name: file.name, status: reply.status });
      } catch {
        if (!sending.signal.aborted) this.$emit("unsent", { name: file.name, status: 0 });
      }
    },

    // the pointer

    place(event) {
      const box = this.$refs.layer.getBoundingClientRect();
      const share = (at, from, length) => Math.min(1, Math.max(0, (at - from) / length));
      return [share(event.clientX, box.left, box.width) * this.picture.width,
        share(event.clientY, box.top, box.height) * this.picture.height];
    },

    scale() { return this.$refs.layer.getBoundingClientRect().width / this.picture.width; }, // CSS pixels in one

    press(event) {
      if (event.button !== 0) return;
      this.cross = null;
      const place = this.place(event);
      if (this.tool === "box" || this.tool === "scribble") {
        this.$refs.layer.setPointerCapture(event.pointerId);
        this.draft = [place];
        this.drawing = true;
      } else {
        const last = this.draft[this.draft.length - 1];
        this.mark(place, last && event.timeStamp - this.pressed < TWICE && this.away(last, place) < NEAR / 2);
      }
      this.pressed = event.timeStamp;
      this.paint();
    },

    move(event) {
      if (this.tool === "polygon" && this.draft.length && !this.drawing) {
        this.hover = this.place(event);
        return this.paint();
      }
      if (!this.drawing) return;
      if (this.tool === "box") this.draft = [this.draft[0], this.place(event)];
      else for (const each of event.getCoalescedEvents?.() ?? [event]) this.extend(this.place(each));
      this.paint();
    },

    release(event) {
      if (!this.drawing) return;
      this.drawing = false;
      if (this.tool === "box") this.draft = [this.draft[0], this.place(event)];
      else this.extend(this.place(event));
      this.finish();
    },

    extend(place) {
      if (this.away(place, this.draft[this.draft.length - 1]) >= GAP) this.draft.push(place);
    },

    away([x, y], [u, v]) { return Math.hypot(x - u, y - v) * this.scale(); }, // in CSS pixels

    // what a click or the Enter key means
    mark(place, twice) {
      if (this.tool === "refer") return this.$emit("refer", { x: place[0], y: place[1] });
      if (this.tool === "point") { this.draft = [place]; return this.finish(); }
      if (this.tool === "polygon") {
        const closes = this.draft.length > 2 && (twice || this.away(place, this.draft[0]) < NEAR);
        if (closes) return this.finish();
        if (!twice) this.draft.push(place);
        this.say(`${this.draft.length} corners`);
        return this.paint();
      }
      // box and scribble, begun and ended by the keyboard
      this.draft.push(place);
      if (this.draft.length > 1 && !this.open) return this.finish();
      return this.paint();
    },

    finish() {
      const points = this.draft.map(([x, y]) => [Math.round(x * 100) / 100, Math.round(y * 100) / 100]);
      this.draft = [];
      this.open = false;
      this.hover = null;
      this.$emit("stroke", { kind: this.tool, points });
      this.paint();
    },

    giveUp() {
      this.draft = [];
      this.drawing = this.open = false;
      this.hover = null;
      this.paint();
    },

    // the keyboard

    key(event) {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (steps[event.key]) this.step(steps[event.key], event.shiftKey);
      else if (event.key === "Enter" || event.key === " ") this.enter();
      else if (event.key === "Escape") this.giveUp();
      else if (event.key === "Backspace" && this.draft.length) { this.draft.pop(); this.paint(); }
      else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
        if (this.draft.length) { this.draft.pop(); this.paint(); } else this.$emit("undo");
      } else return;
      event.preventDefault();
    },

    step([right, down], fine) {
      const { width, height } = this.picture;
      const size = fine ? 1 : Math.max(1, Math.round(Math.max(width, height) / 50));
      const [x, y] = this.cross ?? [Math.round(width / 2), Math.round(height / 2)];
      this.cross = [Math.min(width, Math.max(0, x + right * size)), Math.min(height, Math.max(0, y + down * size))];
      if (this.tool === "scribble" && this.open) this.extend(this.cross);
      this.say(`${this.cross[0]}, ${this.cross[1]}`);
      this.paint();
    },

    enter() {
      this.cross ??= [Math.round(this.picture.width / 2), Math.round(this.picture.height / 2)];
      if (this.tool === "scribble") {
        if (this.open) return this.finish();
        this.open = true;
        this.draft = [this.cross];
        this.say("drawing; Enter ends it");
        return this.paint();
      }
      const last = this.draft[this.draft.length - 1];
      this.mark(this.cross, this.tool === "polygon" && last && this.away(last, this.cross) === 0);
      if (this.tool === "box" && this.draft.length) this.say("first corner; Enter sets the other");
    },

    say(words) { this.spoken = words; },

    // drawing

    // Above, below or beside the region: the first place in the picture that is in no other region's box, or else on the
    // region's upper edge.
    tagStyle(mark) {
      const { width, height } = this.picture;
      const [left, top, right, bottom] = mark.box;
      const x = (left + right) / 2, y = (top + bottom) / 2, room = 0.03 * Math.max(width, height);
      const others = this.shown.filter((other) => other.id !== mark.id).map((other) => other.box);
      const places = [[x, top, 0, -1], [x, bottom, 0, 1], [left, y, -1, 0], [right, y, 1, 0]];
      const middle = ([u, v, across, down]) => [u + across * room, v + down * room]; // about the tag's
      const near = ([s, t], box) => s > box[0] - room && t > box[1] - room && s < box[2] + room && t < box[3] + room;
      const picture = [2 * room, 2 * room, width - 2 * room, height - 2 * room];
      const free = places.find((place) => near(middle(place), picture) && !others.some((box) => near(middle(place), box)));
      const [u, v, across, down] = free ?? [x, Math.max(top, room), 0, 0];
      const shift = (way) => `calc(${way * 50 - 50}% + ${way * 4}px)`;
      return { left: `${(100 * u) / width}%`, top: `${(100 * v) / height}%`, background: mark.color, color: mark.ink,
        transform: `translate(${shift(across)}, ${shift(down)})` };
    },

    maskOf(mark) {
      let mask = this.masks.get(mark.url);
      if (!mask) {
        mask = new Image();
        mask.onload = () => this.paint();
        mask.src = mark.url;
        this.masks.set(mark.url, mask);
      }
      return mask.complete && mask.naturalWidth ? mask : null;
    },

    // The mask filled with its color, and its outline with a thin white rim, which is seen on any background.
    layerOf(mark, width, height, ratio) {
      const key = `${mark.url} ${mark.color} ${width} ${height}`;
      const mask = this.maskOf(mark);
      if (!mask || this.layers.has(key)) return this.layers.get(key);
      const sheet = (paint) => {
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        paint(canvas.getContext("2d"));
        return canvas;
      };
      const flat = (color) => sheet((pen) => {
        pen.imageSmoothingEnabled = mask.naturalWidth > width;
        pen.drawImage(mask, 0, 0, width, height);
        pen.globalCompositeOperation = "source-in";
        pen.fillStyle = color;
        pen.fillRect(0, 0, width, height);
      });
      const fill = flat(mark.color), white = flat("white");
      const outline = sheet((pen) => {
        for (const [from, far] of [[white, LINE + 1], [fill, LINE]]) {
          for (let turn = 0; turn < 16; turn++) {
            const angle = (turn * Math.PI) / 8;
            pen.drawImage(from, Math.cos(angle) * far * ratio, Math.sin(angle) * far * ratio);
          }
        }
        pen.globalCompositeOperation = "destination-out";
        pen.drawImage(fill, 0, 0);
      });
      if (this.layers.size > 24) this.layers.clear();
      this.layers.set(key, { fill, outline });
      return this.layers.get(key);
    },

    paint() {
      const layer = this.$refs.layer;
      if (!layer || !layer.clientWidth) return;
      this.painted = layer;
      const ratio = window.devicePixelRatio || 1;
      const width = Math.round(layer.clientWidth * ratio), height = Math.round(layer.clientHeight * ratio);
      if (layer.width !== width || layer.height !== height) Object.assign(layer, { width, height });
      const pen = layer.getContext("2d");
      pen.clearRect(0, 0, width, height);
      const lit = this.shown.some((mark) => String(mark.id) === this.lit) ? this.lit : null;
      const layers = this.shown.map((mark) => [mark, this.layerOf(mark, width, height, ratio)]).filter(([, drawn]) => drawn);
      const isDim = (mark) => lit !== null && String(mark.id) !== lit;
      for (const [mark, { fill }] of layers) {
        const full = lit === null ? this.opacity : Math.max(this.opacity, 0.65);
        pen.globalAlpha = isDim(mark) ? this.opacity * 0.2 : full;
        pen.drawImage(fill, 0, 0);
      }
      for (const [mark, { outline }] of layers) {
        pen.globalAlpha = isDim(mark) ? 0.3 : 1;
        pen.drawImage(outline, 0, 0);
      }
      pen.globalAlpha = 1;
      pen.scale(width / this.picture.width, height / this.picture.height);
      this.paintDraft(pen, this.picture.width / layer.clientWidth);
      pen.resetTransform();
    },

    // The stroke that is being drawn and the keyboard's cross; `unit` is a CSS pixel in pixels of the picture.
    paintDraft(pen, unit) {
      const end = this.tool === "polygon" || this.tool === "box" ? this.cross ?? this.hover : null;
      const places = end && this.draft.length && !this.drawing ? [...this.draft, end] : this.draft;
      const path = new Path2D();
      if (places.length > 1 && this.tool === "box") {
        const [[x, y], [u, v]] = places;
        path.rect(x, y, u - x, v - y);
        path.ellipse((x + u) / 2, (y + v) / 2, Math.abs(u - x) / 2, Math.abs(v - y) / 2, 0, 0, 2 * Math.PI);
      } else {
        places.forEach(([x, y], at) => (at ? path.lineTo(x, y) : path.moveTo(x, y)));
      }
      if (this.tool === "polygon") for (const [x, y] of this.draft) path.rect(x - 2 * unit, y - 2 * unit, 4 * unit, 4 * unit);
      if (this.cross) {
        const [x, y] = this.cross;
        for (const [right, down] of [[1, 0], [0, 1]]) {
          path.moveTo(x - 14 * right * unit, y - 14 * down * unit);
          path.lineTo(x + 14 * right * unit, y + 14 * down * unit);
        }
      }
      pen.lineCap = pen.lineJoin = "round";
      for (const [color, thick] of [["white", 5], ["#1c1e22", 2]]) {
        pen.strokeStyle = color;
        pen.lineWidth = thick * unit;
        pen.stroke(path);
      }
    },
  },
};
