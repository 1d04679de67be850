// What the page's own scripts find under the name `vendor`.

import "pixi.js/unsafe-eval"; // despite its name: PixiJS without eval, as the page's policy demands
export { Container, Geometry, ImageSource, Mesh, Rectangle, Shader, Sprite, Texture, WebGLRenderer } from "pixi.js";
export { select } from "d3-selection";
export { zoom, zoomIdentity } from "d3-zoom";
export { polygonContains } from "d3-polygon";
export { default as KDBush } from "kdbush";
