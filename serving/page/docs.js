// Starts Swagger UI on this server's own description.

window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null, // else it sends the description's address to a validator on the internet
});
