<%@ page contentType="text/plain; charset=utf-8" trimDirectiveWhitespaces="true" %>
<%
  Integer n = (Integer) session.getAttribute("requests");
  n = n == null ? 1 : n + 1;
  session.setAttribute("requests", n);
%>
tomcat <%= System.getProperty("example.route") %>: session <%= session.getId() %>, request <%= n %>
link: <%= response.encodeURL("/index.jsp") %>
